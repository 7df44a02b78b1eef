"""What a batch is: its two parts, how many items it has, and how it moves to a device."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["check_loaders", "move_to", "no_batch", "num_items", "split_batch"]


def move_to(data: Any, device: torch.device | str) -> Any:
    """Move everything in ``data`` that can move to ``device``.

    Whatever has a ``to`` method is moved by it (tensors, PackedSequence,
    :class:`~practicezoo.PaddedSequence`, whose lengths stay on the CPU); tuples, named tuples, lists and
    dicts are moved element by element; all else is returned as it is.

    Example:
        >>> move_to({"ids": torch.arange(3), "names": ["Li"]}, "cpu")
        {'ids': tensor([0, 1, 2]), 'names': ['Li']}
    """
    if isinstance(data, torch.Tensor):
        if data.device == device:
            return data
        # a copy to the CPU must have arrived by the time it is read
        return data.to(device, non_blocking=torch.device(device).type != "cpu")
    if hasattr(data, "to"):
        return data.to(device)
    if isinstance(data, dict):
        return {key: move_to(value, device) for key, value in data.items()}
    if isinstance(data, tuple | list):
        moved = [move_to(value, device) for value in data]
        return type(data)(*moved) if hasattr(data, "_fields") else type(data)(moved)
    return data


def split_batch(batch: Any) -> tuple[Any, Any]:
    """The inputs and targets of a batch, or TypeError if it is no such pair."""
    # a named tuple (PaddedSequence, PackedSequence) is one input, though a tuple of two
    if isinstance(batch, tuple | list) and not hasattr(batch, "_fields") and len(batch) == 2:
        return batch[0], batch[1]
    size = f" of {len(batch)}" if isinstance(batch, tuple | list) and not hasattr(batch, "_fields") else ""
    raise TypeError(f"a batch must be a plain pair (inputs, targets), got {type(batch).__name__}{size}")


def num_items(targets: Any) -> int:
    """How many items a batch's targets are for: rows of a tensor, or of the first one in a collection.

    Raises:
        TypeError: if ``targets`` has no rows to count.
    """
    if isinstance(targets, PackedSequence):
        return int(targets.batch_sizes[0])
    if isinstance(targets, Tensor) or hasattr(targets, "lengths"):
        return len(targets)
    if isinstance(targets, dict) and targets:
        return num_items(next(iter(targets.values())))
    if isinstance(targets, tuple | list) and targets:
        return num_items(targets[0])
    raise TypeError(f"targets must be a tensor or a collection of tensors, got {type(targets).__name__}")


def check_loaders(**loaders: Any) -> None:
    """Raise TypeError for the first loader that is tensors rather than batches of them."""
    for argument, loader in loaders.items():
        if isinstance(loader, tuple) and loader and all(isinstance(part, Tensor) for part in loader):
            raise TypeError(f"{argument} must give batches, as a TensorLoader of them does, got tensors")


def no_batch() -> ValueError:
    """The error for a loader that gave no batch."""
    return ValueError("loader must give at least one batch, got none")
