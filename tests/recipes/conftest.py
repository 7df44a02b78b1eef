"""What the tests of recipes share."""

import dataclasses

import pytest

from practicezoo.recipes.recipe import changed
from practicezoo.recipes.systems.names_gru import NamesGRU
from support.names import small_settings


@pytest.fixture(scope="module")
def small_names():
    """Names are trained with smaller networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NamesGRU, "settings", small_settings())
        yield


@pytest.fixture
def few_digits(monkeypatch):
    """A few hundred synthetic digits instead of thousands."""
    for system in ("mnist", "cifar10"):
        name = f"practicezoo.recipes.systems.{system}.NUM_SYNTHETIC"
        monkeypatch.setattr(name, {"train": 600, "test": 100})


@pytest.fixture
def two_teachers(monkeypatch):
    """The names' best setting with two teachers instead of six, and small networks."""
    best = NamesGRU.settings["best"]
    best = changed(best, model_overrides={**best.model_overrides, "embedding_dim": 8, "hidden_size": 8})
    assert best.distillation is not None
    fewer = dataclasses.replace(best, distillation=dataclasses.replace(best.distillation, num_teachers=2))
    monkeypatch.setattr(NamesGRU, "settings", {**NamesGRU.settings, "best": fewer})
    return fewer
