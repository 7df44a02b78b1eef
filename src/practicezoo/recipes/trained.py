"""The predictor of a checkpoint that a recipe's run wrote."""

from pathlib import Path
from typing import Any

from torch import nn

from practicezoo.predictors import Predictor
from practicezoo.predictors.loading import predictor_of_run, read_run
from practicezoo.recipes.recipe import Recipe
from practicezoo.training import pick_device

__all__ = ["load_predictor", "load_trained"]


def load_trained(
    recipe: Recipe, checkpoint: str | Path, *, device: str = "auto"
) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a checkpoint, ready to predict, and the checkpoint's state.

    Args:
        recipe: the recipe that the checkpoint is of.
        checkpoint: its file: the finished run's, or one to resume from.
        device: see :func:`~practicezoo.pick_device`.

    Raises:
        ValueError: if the file is damaged, no checkpoint, another recipe's, or of a run that still trains.
    """
    predictor, state = load_predictor(recipe, checkpoint, device=device)
    return predictor.model, state


def load_predictor(
    recipe: Recipe, checkpoint: str | Path, *, device: str = "auto"
) -> tuple[Predictor, dict[str, Any]]:
    """As :func:`load_trained`, but the model with its preprocessing and classes."""
    target = pick_device(device)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"checkpoint must be a file that train wrote, got {checkpoint}")
    state = read_run(Path(checkpoint))
    if state.get("recipe") != recipe.name:
        raise ValueError(
            f"{checkpoint} must be a checkpoint of {recipe.name}, got one of {state.get('recipe')}"
        )
    predictor = predictor_of_run(
        state, name=str(checkpoint), device=target, builder=lambda **config: recipe.build(config)
    )
    return predictor, state
