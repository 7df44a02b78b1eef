"""The model of a checkpoint that a recipe's run wrote."""

from pathlib import Path
from typing import Any

from torch import nn

from practicezoo.recipes.recipe import Recipe
from practicezoo.training import load_checkpoint, pick_device

__all__ = ["load_trained"]


def load_trained(
    recipe: Recipe, checkpoint: str | Path, *, device: str = "auto"
) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a checkpoint, ready to predict, and the checkpoint's state.

    Args:
        recipe: the recipe that the checkpoint is of.
        checkpoint: its file: the finished run's, or one to resume from.
        device: see :func:`~practicezoo.pick_device`.

    Raises:
        ValueError: if the file is damaged, no checkpoint, or another recipe's.
    """
    target = pick_device(device)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"checkpoint must be a file that train wrote, got {checkpoint}")
    state = load_checkpoint(checkpoint)
    state = {**state.get("extra", {}), **state}  # a run's own checkpoints name the recipe there
    if state.get("recipe") != recipe.name:
        raise ValueError(
            f"{checkpoint} must be a checkpoint of {recipe.name}, got one of {state.get('recipe')}"
        )
    try:
        model = recipe.build(state["config"])
        model.load_state_dict(state["model"])
        complete = len(state["classes"]) == state["config"].get("num_classes", len(state["classes"]))
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{checkpoint} does not hold a whole model of {recipe.name}") from error
    if not complete:
        raise ValueError(f"{checkpoint} must name as many classes as its model has outputs")
    return model.to(target).eval(), state
