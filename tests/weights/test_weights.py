"""The weights in the wheel: files, records, cards and figures."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from practicezoo import create_model, list_models, list_weights, load
from practicezoo.metrics.calibration import wilson_interval
from practicezoo.predictors import ImageInput, TextInput
from practicezoo.recipes import get_recipe
from practicezoo.recipes.card import HEADINGS
from practicezoo.recipes.packing import verify
from practicezoo.recipes.run_data import read_splits
from practicezoo.recipes.scores import logits_of
from practicezoo.weights import Weights, records

ASSETS = Path(str(files("practicezoo.weights") / "assets"))
SLICE = Path(__file__).parents[1] / "slice"
RIGHT = json.loads((SLICE / "right.json").read_text())  # answers, of 200 digits and 400 names
ALL = list_weights()
DIGITS = [weights for weights in ALL if weights.data["name"] == "mnist"]
NAMES = [weights for weights in ALL if weights.preprocessing["kind"] == "text"]
TOLERANCE = 3 / 10_000


def folder_of(weights):
    return ASSETS / weights.model / weights.tag


def test_every_file_belongs_to_a_record():
    expected = {
        folder_of(weights) / name
        for weights in ALL
        for name in ("model.safetensors", "config.json", "card.md")
    }
    assert {path for path in ASSETS.rglob("*") if path.is_file()} == expected


def test_each_model_has_one_default_or_a_reason_for_none():
    for name in list_models():
        defaults = [weights for weights in ALL if weights.model == name and weights.default]
        assert len(defaults) == (name not in records.WITHOUT), name
    assert {weights.model for weights in ALL} <= {*list_models()}


@pytest.mark.parametrize("weights", ALL, ids=str)
def test_hash_sizes_and_number_of_parameters_are_the_records(weights):
    content = (folder_of(weights) / "model.safetensors").read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (weights.sha256, weights.num_bytes)
    model = load(weights).model
    assert sum(parameter.numel() for parameter in model.parameters()) == weights.num_parameters
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert not model.training
    assert f"{weights.num_bytes:,} bytes" in weights.card


@pytest.mark.parametrize("weights", ALL, ids=str)
def test_a_card_has_every_heading_and_its_own_figures(weights):
    found = [line.removeprefix("## ") for line in weights.card.splitlines() if line.startswith("## ")]
    assert found == [*HEADINGS]
    metrics = weights.metrics
    assert f"{metrics['num_right'] / metrics['num_samples']:.2%}" in weights.card
    assert weights.command in weights.card
    assert metrics["interval"] == list(wilson_interval(metrics["num_right"], metrics["num_samples"]))
    assert sum(sum(row) for row in metrics["confusion"]) == metrics["num_samples"]
    for digest in weights.data["files"].values():
        assert digest in weights.card
    assert "not recorded" not in weights.card


def test_all_of_it_fits_the_wheel():
    assert sum(weights.num_bytes for weights in ALL) < 5_500_000


def test_a_record_is_frozen_and_prints_its_name():
    weights = list_weights("names_gru/names-*")[0]
    with pytest.raises(AttributeError, match="cannot assign to field 'tag'"):
        weights.tag = "other"  # type: ignore[misc]
    with pytest.raises(TypeError, match="does not support item assignment"):
        weights.metrics["test_accuracy"] = 1.0
    assert str(weights).startswith("names_gru/names-")
    assert "card" not in repr(weights)
    assert isinstance(weights, Weights)
    assert {weights: 1}[weights] == 1


def test_patterns_are_of_models_or_of_models_and_tags():
    assert {weights.model for weights in list_weights("mnist_*")} == {weights.model for weights in DIGITS}
    assert len(list_weights("names_gru")) == 2
    assert list_weights("absent") == []


def test_a_record_of_a_newer_format_is_refused(tmp_path):
    shutil.copytree(folder_of(ALL[0]), tmp_path / "copy")
    path = tmp_path / "copy" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(ValueError, match=r"must have the format 1, which this version .* reads, got 2"):
        records._read_record(tmp_path / "copy")


@pytest.mark.parametrize("weights", DIGITS, ids=str)
def test_digits_of_the_slice_are_read_as_when_the_card_was_written(weights):
    with np.load(SLICE / "mnist.npz") as arrays:
        images, targets = arrays["images"], arrays["targets"]
    predictions = load(weights)(images, top=1)
    right = sum(int(p.label) == target for p, target in zip(predictions, targets, strict=True))
    assert abs(right - RIGHT[str(weights)]) <= 1  # processors round differently
    assert not any(prediction.notes for prediction in predictions)


@pytest.mark.parametrize("weights", [w for w in NAMES if w.default], ids=str)
def test_names_of_the_slice_are_told_as_when_the_card_was_written(weights):
    with (SLICE / "names.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    predictions = load(weights)([row["name"] for row in rows], top=1)
    right = sum(p.label == row["country"] for p, row in zip(predictions, rows, strict=True))
    assert abs(right - RIGHT[str(weights)]) <= 1


def test_the_embedded_names_are_told_as_the_card_says():
    (weights,) = list_weights("names_gru/mini-*")
    verdict = verify(weights)
    assert verdict.holds
    assert "answers are right, the card says" in verdict.text


@pytest.mark.parametrize("weights", list_weights("mnist1d_*"), ids=str)
def test_signals_that_the_library_makes_are_told_as_the_card_says(weights):
    verdict = verify(weights)
    assert verdict.holds
    assert "answers are right, the card says" in verdict.text


@pytest.mark.slow
@pytest.mark.realdata(
    "MNIST/raw/t10k-images-idx3-ubyte.gz", "course/names_test.csv.gz", "course/diabetes.csv.gz"
)
@pytest.mark.parametrize("weights", ALL, ids=str)
def test_the_cards_figures_are_reproduced_on_the_real_files(weights, data_root):
    verdict = verify(weights, root=data_root)
    assert verdict.holds, verdict.text
    recipe, predictor = get_recipe(weights.model), load(weights)
    splits = read_splits(recipe, weights.data["name"], weights.data["seed"], data_root)
    logits, targets = logits_of(predictor, splits)
    if isinstance(predictor.preprocess, ImageInput):  # through the door that users come in by
        labels = [prediction.label for prediction in predictor(splits.test[0], top=1)]
        right = sum(label == splits.classes[target] for label, target in zip(labels, targets, strict=True))
        assert abs(right - weights.metrics["num_right"]) <= TOLERANCE * len(targets)
    if isinstance(predictor.preprocess, TextInput):
        assert abs(splits.test[0].lengths.sum()) > 0
    assert logits.isfinite().all()


@pytest.mark.parametrize("weights", ALL, ids=str)
def test_create_model_gives_the_loaded_network(weights):
    model = create_model(weights.model, weights=weights)
    loaded = load(weights).model.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in model.state_dict().items())


def test_listing_reads_no_tensors():
    program = "import practicezoo, sys; practicezoo.list_weights(); print('safetensors' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
