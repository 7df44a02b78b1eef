"""What an update reads, writes and goes by, which may not change while a graph stands for it."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.training.capturable import obstacle_in_hooks

__all__ = ["assigned", "look", "tensors_of"]


def look(modules: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> list[tuple[str, Any]]:
    """Where all tensors lie, the numbers of modules and states, and hooks; each with its owner's class."""
    places = [
        (owner, (tensor.data_ptr() if tensor.layout is torch.strided else id(tensor), tensor.requires_grad))
        for owner, tensor in tensors_of(modules, optimizers)
    ]
    holders: list[tuple[object, Any]] = [(part, vars(part)) for root in modules for part in root.modules()]
    holders += [(optimizer, state) for optimizer in optimizers for state in optimizer.state.values()]
    numbers = [
        (
            type(owner).__name__,
            [value for value in values.values() if isinstance(value, bool | int | float | str)],
        )
        for owner, values in holders
    ]
    return [*places, *numbers, ("a hook", obstacle_in_hooks(modules, optimizers))]


def tensors_of(modules: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> Iterator[tuple[str, Tensor]]:
    """Parameters, buffers and other tensors of the modules, and the optimizers' states, with their owners."""
    parts = [part for root in modules for part in root.modules()]
    holders: list[tuple[object, Any]] = [
        (part, values)
        for part in parts
        for values in (vars(part)["_parameters"], vars(part)["_buffers"], vars(part))
    ]
    holders += [(optimizer, state) for optimizer in optimizers for state in optimizer.state.values()]
    for owner, values in holders:
        for value in values.values():
            if isinstance(value, Tensor):
                yield type(owner).__name__, value


def assigned(before: Sequence[tuple[str, Any]], after: Sequence[tuple[str, Any]]) -> str | None:
    """Who gave something another tensor or number between two looks; None if nobody did."""
    for (owner, value), (_, other) in zip(before, after, strict=False):
        if value != other:
            return f"{owner} assigns a tensor or a number in each update: change tensors in place"
    return None if len(before) == len(after) else "an update makes tensors that were not there before"
