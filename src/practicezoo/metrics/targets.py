"""Class indices that no class has, named by value and place.

On the CPU torch notices them itself, at no cost, and its error is made clear. On a GPU they end in an
assertion that leaves the whole process without the device, so targets that come from the CPU are checked
before they go there. Targets that already live on the GPU are not read back: that would make every step wait.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.batches import move_to

__all__ = ["compute_loss", "move_targets"]

IGNORE_INDEX = -100  # torch's default


def compute_loss(criterion: Callable[[Any, Any], Tensor], outputs: Any, targets: Any) -> Tensor:
    """``criterion(outputs, targets)``.

    Raises:
        ValueError: if torch finds a class index out of range (it looks on the CPU only).
    """
    try:
        return criterion(outputs, targets)
    except IndexError as error:
        if str(error).startswith("Target "):
            ignore_index = getattr(criterion, "ignore_index", IGNORE_INDEX)
            if wrong := _out_of_range(targets, outputs.shape[1], ignore_index):
                raise wrong from error
        raise


def move_targets(
    criterion: Callable[[Any, Any], Tensor], outputs: Any, targets: Any, device: torch.device
) -> Any:
    """``targets`` on ``device``, where ``outputs`` are.

    Raises:
        ValueError: if class indices of a cross entropy or NLL leave the CPU and one is out of range.
    """
    if (
        isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss)
        and isinstance(targets, Tensor)
        and targets.device.type == "cpu"
        and device.type != "cpu"
        and not targets.is_floating_point()
        and outputs.ndim > 1
        and (wrong := _out_of_range(targets, outputs.shape[1], criterion.ignore_index))
    ):
        raise wrong
    return move_to(targets, device)


def _out_of_range(targets: Tensor, num_classes: int, ignore_index: int) -> ValueError | None:
    """The error for the first class index that is neither a class nor ignored."""
    wrong = ((targets < 0) | (targets >= num_classes)) & (targets != ignore_index)
    if not wrong.any():
        return None
    place = tuple(wrong.nonzero()[0].tolist())
    shown = place if len(place) > 1 else place[0]
    return ValueError(f"targets must lie in [0, {num_classes}), got {int(targets[place])} at index {shown}")
