"""Settings that take their time: averaged weights, and what several networks teach one."""

import dataclasses

import pytest
import torch

from practicezoo.recipes import DataOptions, Distillation, get_recipe, list_recipes, train_recipe
from practicezoo.recipes.distillation import soft_targets
from practicezoo.recipes.recipe import changed
from practicezoo.recipes.systems.names_gru import NamesGRU
from practicezoo.training import load_checkpoint, predict, seed_everything
from practicezoo.training.callbacks.averaging import WeightAveraging
from practicezoo.training.loop import fit

SYNTHETIC = DataOptions(dataset="synthetic")


def test_each_best_setting_trains_the_tuned_settings_network():
    recipes = [get_recipe(name) for name in list_recipes()]
    with_best = [recipe for recipe in recipes if "best" in recipe.settings]
    assert {recipe.name for recipe in with_best} >= {"mnist_tiny", "mnist_cnn", "names_gru", "diabetes_mlp"}
    for recipe in with_best:
        tuned, best = recipe.settings["tuned"], recipe.settings["best"]
        assert best.model_overrides == tuned.model_overrides, recipe.name


@pytest.mark.parametrize("name", ["mnist_tiny", "diabetes_mlp"])
def test_a_run_at_its_best_ends_with_the_averaged_weights(name, tmp_path, monkeypatch):
    runs = []

    def watched(model, *arguments, callbacks, **settings):
        (averaging,) = [each for each in callbacks if isinstance(each, WeightAveraging)]
        runs.append((model, averaging))
        return fit(model, *arguments, callbacks=callbacks, **settings)

    monkeypatch.setattr("practicezoo.recipes.experiment.fit", watched)
    recipe = get_recipe(name)
    train_recipe(recipe, tmp_path, setting="best", epochs=1, data=SYNTHETIC, device="cpu", progress=False)
    ((_, averaging),) = runs
    assert averaging.decay == recipe.settings["best"].averaging
    saved = load_checkpoint(tmp_path / "checkpoint.pt")["model"]
    torch.testing.assert_close(saved, dict(averaging.averaged.state_dict()), rtol=0, atol=0)


def train_names(folder, **settings):
    arguments = {"setting": "best", "epochs": 1, "device": "cpu", "progress": False}
    return train_recipe(get_recipe("names_gru"), folder, **arguments | settings)


def test_one_network_learns_what_its_teachers_say_on_average(two_teachers, tmp_path, monkeypatch, capsys):
    trained = []

    def watched(model, loader, **settings):
        trained.append((model, loader.tensors[1], loader.batch_size))
        return fit(model, loader, **settings)

    monkeypatch.setattr("practicezoo.recipes.experiment.fit", watched)
    result = train_names(tmp_path, seed=3, progress=True)
    (first, labels, _), (second, _, _), (student, soft, _) = trained
    assert {batch_size for _, _, batch_size in trained} == {32}  # as for the mini names at any setting
    assert not torch.equal(first.head.weight, second.head.weight)
    splits = get_recipe("names_gru").load(DataOptions(), seed=3)
    logits = torch.stack([predict(teacher, splits.train[0]) for teacher in (first, second)])
    expected = soft_targets(logits, labels, lowered=two_teachers.distillation.lowered)
    torch.testing.assert_close(soft, expected)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    torch.testing.assert_close(saved["model"], dict(student.state_dict()), rtol=0, atol=0)
    assert saved["epoch"] == len(result.history) == 1
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in result.files}
    printed = capsys.readouterr().out
    assert printed.index("teacher 1 of 2") < printed.index("teacher 2 of 2") < printed.index("epoch 1/1")


def test_runs_of_other_seeds_have_other_teachers(two_teachers, tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        "practicezoo.recipes.experiment.seed_everything",
        lambda seed: seeds.append(seed) or seed_everything(seed),
    )
    for seed in (0, 1):
        train_names(tmp_path / str(seed), seed=seed)
    assert seeds == [0, 0, 1, 0, 1, 2, 3, 1]  # a run's own at the beginning and at the end


def test_soft_targets_are_the_mean_of_probabilities_with_frequent_classes_lowered():
    logits, targets = torch.randn(3, 6, 4), torch.tensor([0, 0, 0, 0, 1, 2])  # the fourth class never comes
    mean = logits.softmax(dim=-1).mean(dim=0)
    torch.testing.assert_close(soft_targets(logits, targets, lowered=0.0), mean)
    weights = torch.tensor([4, 1, 1, 1]) ** -0.5
    expected = mean * weights
    torch.testing.assert_close(
        soft_targets(logits, targets, lowered=0.5), expected / expected.sum(dim=1, keepdim=True)
    )


def test_a_changed_setting_changes_its_teachers_too():
    setting = changed(NamesGRU.settings["best"], epochs=2, batch_size=7)
    assert (setting.epochs, setting.batch_size) == (2, 7)
    assert setting.distillation is not None
    assert (setting.distillation.teacher.epochs, setting.distillation.teacher.batch_size) == (2, 7)
    assert setting.distillation.num_teachers == 6
    assert changed(NamesGRU.settings["tuned"], epochs=2).distillation is None


@pytest.mark.parametrize("how", [{"averaging": 0.9}, {"distillation": True}])
def test_validation_that_chooses_an_epoch_is_refused_beside_averaging_and_distillation(how):
    tuned = NamesGRU.settings["tuned"]
    if "distillation" in how:
        how = {"distillation": Distillation(teacher=tuned, num_teachers=2)}
    with pytest.raises(ValueError, match=r"held_out must be 0 with averaging or distillation, .*, got 0\.1"):
        dataclasses.replace(tuned, **how)
