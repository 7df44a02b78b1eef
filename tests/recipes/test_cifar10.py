"""CIFAR-10's recipes, on digits of its form."""

import pytest
import torch

from practicezoo.data import RandomShift, synthetic_digits
from practicezoo.predictors import load
from practicezoo.recipes import DataOptions, get_recipe, load_trained, train_recipe
from practicezoo.recipes.systems.cifar10 import flip_and_shift
from support.slow import slow_unless

SYNTHETIC = DataOptions(dataset="synthetic")
NAMES = ["cifar10_resnet20", "cifar10_resnet56"]

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.*:UserWarning")  # one epoch of many


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two batches."""
    monkeypatch.setattr("practicezoo.recipes.systems.cifar10.NUM_SYNTHETIC", {"train": 128, "test": 50})


@pytest.mark.parametrize("name", slow_unless(NAMES, {"cifar10_resnet20"}))
@pytest.mark.parametrize("setting", slow_unless(["paper", "tuned"], {"tuned"}))
def test_every_setting_trains_measures_and_loads_again(name, setting, tmp_path):
    recipe = get_recipe(name)
    result = train_recipe(recipe, tmp_path, setting=setting, data=SYNTHETIC, epochs=1, device="cpu")
    model, state = load_trained(recipe, tmp_path / "checkpoint.pt", device="cpu")
    splits = recipe.load(SYNTHETIC, seed=0)
    accuracy = recipe.measure(model, splits)["test_accuracy"]
    assert accuracy == pytest.approx(result.figures["test_accuracy"], abs=0.021)
    assert state["data"] == "synthetic"
    predictor = load(tmp_path / "checkpoint.pt")
    image = synthetic_digits(1, seed=3, image_size=32).images[0].expand(3, -1, -1)
    assert predictor(image).label in splits.classes


@pytest.mark.parametrize(("name", "count"), [("cifar10_resnet20", 269_722), ("cifar10_resnet56", 853_018)])
def test_the_papers_networks_and_training(name, count):
    recipe = get_recipe(name)
    model = recipe.build({"num_classes": 10})
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    paper = recipe.settings["paper"]
    optimizer = paper.optimizer(model.parameters())
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"], paper.batch_size) == (0.1, 0.9, 1e-4, 128)
    assert paper.lr_scheduler is not None
    scheduler = paper.lr_scheduler(optimizer, 0)
    rates = []
    for _ in range(paper.epochs):
        rates.append(round(group["lr"], 6))
        optimizer.step()
        scheduler.step()
    assert [rates.count(rate) for rate in (0.1, 0.01, 0.001)] == [82, 41, 41]
    assert abs(paper.epochs * -(-50_000 // 128) - 64_000) < 391


def test_photographs_are_flipped_and_digits_are_not():
    recipe = get_recipe("cifar10_resnet20")
    splits = recipe.load(SYNTHETIC, seed=0)
    assert splits.train[0].shape == (128, 3, 32, 32)
    assert isinstance(recipe.setting_for(splits, "tuned").transform, RandomShift)
    assert recipe.settings["tuned"].transform is flip_and_shift
    rising = torch.arange(32.0).expand(400, 3, 32, 32)
    moved = flip_and_shift(rising)[:, 0, 16]
    flipped = (moved[:, 8] > moved[:, 24]).sum()
    assert 140 < flipped < 260
