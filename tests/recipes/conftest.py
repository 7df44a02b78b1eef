"""What the tests of recipes share."""

import dataclasses

import pytest

from practicezoo.recipes.recipe import changed
from practicezoo.recipes.systems.names_gru import NamesGRU


@pytest.fixture(scope="module")
def small_names():
    """The names' settings with networks that train in a tenth of the time."""
    small = {
        name: changed(
            setting, model_overrides={**setting.model_overrides, "embedding_dim": 8, "hidden_size": 8}
        )
        for name, setting in NamesGRU.settings.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NamesGRU, "settings", small)
        yield


@pytest.fixture
def two_teachers(monkeypatch):
    """The names' best setting with two teachers instead of six, and small networks."""
    best = NamesGRU.settings["best"]
    best = changed(best, model_overrides={**best.model_overrides, "embedding_dim": 8, "hidden_size": 8})
    fewer = dataclasses.replace(best, distillation=dataclasses.replace(best.distillation, num_teachers=2))
    monkeypatch.setattr(NamesGRU, "settings", {**NamesGRU.settings, "best": fewer})
    return fewer
