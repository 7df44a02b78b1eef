"""Settings that take their time: averaged weights, and what several networks teach one."""

import dataclasses
import importlib

import pytest
import torch

from practicezoo import list_weights
from practicezoo.cli import main
from practicezoo.recipes import DataOptions, Distillation, get_recipe, list_recipes, reproduce, train_recipe
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


def small_steps(monkeypatch, setting):
    monkeypatch.setattr(NamesGRU, "settings", {**NamesGRU.settings, "best": changed(setting, epochs=1)})


def test_the_weights_that_come_along_are_trained_again(two_teachers, monkeypatch):
    small_steps(monkeypatch, two_teachers)
    (weights,) = list_weights("names_gru/mini-*")
    (row,) = reproduce([str(weights)], setting="best", device="cpu")
    assert (row.system, row.seed, row.verdict) == (str(weights), weights.data["seed"], "differs")
    low, high = weights.metrics["interval"]
    assert 0 < row.measured["test_accuracy"] < low
    assert f"test_accuracy {weights.metrics['test_accuracy']:.4f} ({low:.4f} to {high:.4f})" in row.reference


def test_what_lies_in_the_cards_interval_agrees(two_teachers, monkeypatch, tmp_path):
    small_steps(monkeypatch, two_teachers)
    (weights,) = list_weights("names_gru/mini-*")
    figures = train_names(tmp_path, data=DataOptions(dataset="mini names"), seed=0).figures
    metrics = {name: figures[name] for name in ("test_accuracy", "test_accuracy_unseen")}
    metrics |= {"interval": [figures["test_accuracy"]] * 2, "interval_unseen": [0, 1]}
    measured = dataclasses.replace(weights, metrics=metrics)
    module = importlib.import_module("practicezoo.recipes.reproduce")  # the package has the function there
    monkeypatch.setattr(module, "find_named", lambda name: measured)
    (row,) = reproduce(["names_gru"], setting="best", device="cpu")  # with the seed of the weights, 0
    assert (row.verdict, row.measured["test_accuracy"]) == ("agrees", figures["test_accuracy"])


def test_weights_whose_data_is_not_here_are_skipped(tmp_path, capsys):
    (tmp_path / "MNIST").touch()
    names = ["mnist_cnn", "names_gru", "diabetes_mlp"]
    assert main(["reproduce", *names, "--setting", "best", "--data", str(tmp_path)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("measured | card")
    assert [line.split()[1] for line in lines] == ["skipped"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["names_gru", "--setting", "tuned"], "setting must be one of course, best, got 'tuned'"),
        (["names_gur", "--setting", "best"], "model must be one with trained weights, got 'names_gur'; near"),
        (["graph", "--setting", "best"], "model must be one with trained weights, got 'graph'"),
        (["hello_rnn", "--setting", "best"], "hello_rnn has no trained weights: it learns one word"),
    ],
)
def test_what_cannot_be_trained_again(arguments, message, capsys):
    assert main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_all_weights_that_come_along_are_of_the_best_setting():
    for weights in list_weights():
        if "best" in get_recipe(weights.model).settings:
            assert "--setting best" in weights.command
