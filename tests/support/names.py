"""The recipe of names with networks that train in half the time."""

from practicezoo.recipes.recipe import Setting, changed
from practicezoo.recipes.systems.names_gru import NamesGRU


def small_settings() -> dict[str, Setting]:
    sizes = {"embedding_dim": 8, "hidden_size": 8}
    return {
        name: changed(setting, model_overrides={**setting.model_overrides, **sizes})
        for name, setting in NamesGRU.settings.items()
    }
