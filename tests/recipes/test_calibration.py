"""Temperatures are chosen on training data that no packed figure is measured on."""

import json
import shutil

import pytest
import torch

from practicezoo import list_weights, load
from practicezoo.cli import main
from practicezoo.metrics.calibration import best_temperature, calibration_error
from practicezoo.recipes import DataOptions, get_recipe, load_trained, train_recipe
from practicezoo.recipes.holdout import set_aside
from practicezoo.recipes.packing import pack, remeasure
from practicezoo.recipes.run_data import RunData
from practicezoo.training import fit, predict
from practicezoo.weights.reading import read_config
from practicezoo.weights.records import asset_folder

RECIPE = get_recipe("diabetes_mlp")
SYNTHETIC = DataOptions(dataset="synthetic")
FRACTION = 0.25


def train(folder, **settings):
    arguments = {"epochs": 3, "data": SYNTHETIC, "device": "cpu", "progress": False}
    return train_recipe(RECIPE, folder, **arguments | settings)


def kept_out_of(run):
    kept_out = RunData.of(RECIPE, run, None).kept_out
    assert kept_out is not None
    return kept_out


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run on all of the training data."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


@pytest.fixture(scope="module")
def calibrating(tmp_path_factory):
    """The same with a quarter of the training data kept out."""
    folder = tmp_path_factory.mktemp("calibrating")
    train(folder, calibration_fraction=FRACTION)
    return folder


def test_a_part_that_is_set_aside_is_in_no_other():
    splits = RECIPE.load(SYNTHETIC, seed=0)
    rest, (rows, targets) = set_aside(splits, fraction=FRACTION, seed=0)
    assert isinstance(rest.train[0], torch.Tensor)
    assert isinstance(rows, torch.Tensor)
    together = torch.cat([rest.train[0], rows])
    assert len(rows) == len(targets) == pytest.approx(FRACTION * len(together), abs=1)
    torch.testing.assert_close(together.sort(dim=0).values, splits.train[0].sort(dim=0).values)
    assert rest.test is splits.test


def test_a_run_is_not_shown_what_it_keeps_out(monkeypatch, tmp_path):
    loaders = []
    monkeypatch.setattr(
        "practicezoo.recipes.experiment.fit",
        lambda model, loader, **settings: loaders.append(loader) or fit(model, loader, **settings),
    )
    train(tmp_path, calibration_fraction=FRACTION)
    (loader,) = loaders
    kept_out, _ = kept_out_of(tmp_path)
    both = torch.cat([loader.tensors[0], kept_out])
    assert len(both.unique(dim=0)) == len(both) == len(RECIPE.load(SYNTHETIC, seed=0).train[0])


def test_another_fraction_is_another_run(calibrating, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(calibrating, copy)
    with pytest.raises(ValueError, match=r"calibration_fraction must be 0\.25 to resume .*, got 0\.0"):
        train(copy, resume=True)
    train(copy, resume=True, calibration_fraction=FRACTION)
    result = json.loads((copy / "result.json").read_text())
    assert result.pop("calibration_fraction") == FRACTION
    (copy / "result.json").write_text(json.dumps(result))  # as runs of before were
    with pytest.raises(ValueError, match=r"calibration_fraction must be 0\.0 to resume"):
        train(copy, resume=True, calibration_fraction=FRACTION)


def test_the_temperature_is_best_on_what_was_kept_out(whole, calibrating, tmp_path):
    pack(RECIPE, whole, tmp_path, tag="a", calibrated_by=[calibrating])
    record = read_config(tmp_path)
    model, _ = load_trained(RECIPE, calibrating / "checkpoint.pt", device="cpu")
    rows, targets = kept_out_of(calibrating)
    logit = predict(model, rows)
    logits = torch.cat([torch.zeros_like(logit), logit], dim=1)
    expected = best_temperature(logits, targets.flatten().long())
    assert record["temperature"] == record["calibration"]["temperature"] == expected
    assert record["calibration"]["num_samples"] == len(rows)
    assert load(tmp_path).temperature == expected
    (command,) = record["calibration"]["commands"]
    assert command == f"{record['command']} --calibration-fraction 0.25"
    assert command in (tmp_path / "card.md").read_text()


def test_errors_with_and_without_the_temperature_are_of_all_test_data(whole, calibrating, tmp_path):
    pack(RECIPE, whole, tmp_path, tag="a", calibrated_by=[calibrating])
    metrics, predictor = read_config(tmp_path)["metrics"], load(tmp_path)
    rows, targets = RECIPE.load(SYNTHETIC, seed=0).test
    logit = predict(predictor.model, rows)
    logits = torch.cat([torch.zeros_like(logit), logit], dim=1)
    without = calibration_error(logits, targets.flatten().long())
    assert metrics["calibration_error_without"] == without
    assert metrics["calibration_error"] == calibration_error(
        logits / predictor.temperature, targets.flatten().long()
    )
    assert sum(metrics["reliability"]["counts"]) == len(rows)
    card = (tmp_path / "card.md").read_text()
    assert f"is {metrics['calibration_error']:.4f} (15 bins" in card
    assert f"{without:.4f} without the temperature." in card


def test_without_data_kept_out_there_is_no_temperature(whole, tmp_path):
    pack(RECIPE, whole, tmp_path, tag="a")
    assert read_config(tmp_path)["calibration"] is None
    assert load(tmp_path).temperature == 1
    assert "No temperature is applied: the network was trained on all" in (tmp_path / "card.md").read_text()


def test_a_run_that_kept_data_out_calibrates_itself(calibrating, tmp_path):
    pack(RECIPE, calibrating, tmp_path, tag="a")
    record = read_config(tmp_path)
    assert record["calibration"]["commands"] == [record["command"]]
    assert record["temperature"] != 1


def test_validation_data_that_only_chose_the_epoch_calibrates_too(tmp_path):
    names = get_recipe("names_gru")
    train_recipe(names, tmp_path / "run", setting="course", epochs=1, device="cpu", progress=False)
    data = RunData.of(names, tmp_path / "run", None)
    assert len(data.kept_out[1]) == pytest.approx(0.1 * len(data.splits.train[1]), rel=0.1)
    pack(names, tmp_path / "run", tmp_path / "out", tag="a")
    assert read_config(tmp_path / "out")["calibration"]["num_samples"] == len(data.kept_out[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1, "calibration_fraction": 0.25}, r"test data of .* must be that of the weights: train it"),
        ({"setting": "best", "calibration_fraction": 0.25}, r"setting of .* must be 'tuned', got 'best'"),
        ({"epochs": 2, "calibration_fraction": 0.25}, r"epochs of .* must be 3, got 2"),
        ({"calibration_fraction": 0.05}, r"runs must keep at least 100 rows out in all, got \d\d"),
        ({}, r"run must keep training data out, got .*, which was shown all of it: train it with --cal"),
    ],
)
def test_runs_that_choose_no_temperature(settings, message, whole, tmp_path):
    train(tmp_path / "run", **settings)
    with pytest.raises(ValueError, match=message):
        pack(RECIPE, whole, tmp_path / "out", tag="a", calibrated_by=[tmp_path / "run"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fraction", "message"),
    [
        (1.0, r"calibration_fraction must lie in \[0, 1\), got 1\.0"),
        (1e-5, r"synthetic must have enough samples of each class to keep a fraction of 1e-05 out, got 8"),
    ],
)
def test_fractions_that_leave_nothing(fraction, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, calibration_fraction=fraction)


def test_the_runs_of_another_recipe_are_refused(whole, tmp_path):
    with pytest.raises(ValueError, match=r"run must be one of names_gru, got .*, one of diabetes_mlp"):
        pack(get_recipe("names_gru"), whole, tmp_path / "out", tag="a")


def test_measuring_again_keeps_the_tensors_and_all_that_was_not_measured(tmp_path):
    (weights,) = list_weights("names_gru/mini-*")
    remeasure(weights, tmp_path)
    before, after = read_config(asset_folder(weights)), read_config(tmp_path)
    measured = ("metrics", "sha256", "num_bytes")
    assert {name: before[name] for name in before if name not in measured} == {
        name: after[name] for name in after if name not in measured
    }
    assert (tmp_path / "model.safetensors").read_bytes() == (
        asset_folder(weights) / "model.safetensors"
    ).read_bytes()
    assert after["sha256"] == before["sha256"]
    assert abs(after["metrics"]["num_right"] - before["metrics"]["num_right"]) <= 1  # processors round


@pytest.mark.parametrize("option", [["--tag", "a"], ["--default"], ["--command", "x"]])
def test_what_belongs_to_a_run_is_refused_without_one(option, tmp_path, capsys):
    arguments = ["pack", "names_gru/mini-names-2026.11", "--out", str(tmp_path / "out")]
    assert main([*arguments, *option]) == 2
    assert f"{option[0]} must come with --run DIR, the folder of the run" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pack_measures_again_on_the_command_line(whole, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main(["pack", "names_gru/mini-names-2026.11", *out]) == 0
    assert read_config(tmp_path / "out")["tag"] == "mini-names-2026.11"
    assert main(["pack", "diabetes_mlp", "--run", str(whole), *out]) == 2
    assert "--tag must come with --run DIR, to name the data and the date" in capsys.readouterr().err


def test_a_command_names_all_that_a_run_depends_on(tmp_path):
    names = get_recipe("names_gru")
    train_recipe(
        names, tmp_path / "run", epochs=1, device="cpu", progress=False, init="mini-names-2026.11", seed=3
    )
    pack(names, tmp_path / "run", tmp_path / "out", tag="a")
    assert read_config(tmp_path / "out")["command"] == (
        "python -m practicezoo train names_gru --setting tuned --dataset 'mini names' --seed 3 --device cpu "
        "--epochs 1 --init mini-names-2026.11"
    )
