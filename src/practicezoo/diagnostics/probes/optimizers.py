"""Mistakes between the model's parameters and the optimizers."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from practicezoo.arguments import listed
from practicezoo.diagnostics.finding import Finding
from practicezoo.training.parameters import held_twice, holds_none, missed_parameters, named_parameters

__all__ = ["find_in_optimizers"]


def find_in_optimizers(
    model: nn.Module, criterion: Any, optimizers: Sequence[Optimizer]
) -> Iterator[Finding]:
    """Parameters without an optimizer or with two, optimizers without parameters or a step."""
    named = dict(named_parameters(model, criterion))
    if named and not any(parameter.requires_grad for parameter in named.values()):
        yield Finding(
            "all-frozen",
            f"none of the {len(named)} parameters requires a gradient",
            "set requires_grad to True for what is to be trained: model.requires_grad_()",
        )
    if not optimizers:
        return
    for optimizer in optimizers:
        if holds_none(optimizer, model, criterion):
            yield Finding(
                "foreign-optimizer",
                f"{type(optimizer).__name__} holds none of the model's parameters",
                "make it from this model, after the last change of its layers",
            )
        # a group may have 0 to stay as it is
        if all(group.get("lr") == 0 == group.get("initial_lr", 0) for group in optimizer.param_groups):
            yield Finding(
                "zero-learning-rate",
                f"{type(optimizer).__name__} has a learning rate of 0",
                "give it a positive one, such as 1e-3 for Adam or 1e-2 for SGD",
            )
    if missed := missed_parameters(model, criterion, optimizers):
        yield Finding(
            "parameters-missed",
            f"no optimizer has {listed(missed)}",
            "make the optimizer from all of model.parameters(), after the last change of its layers; set "
            "requires_grad to False for what stays as it is",
        )
    if twice := held_twice(model, criterion, optimizers):
        yield Finding(
            "parameter-twice",
            f"{listed(twice)} would be updated twice in each step",
            "give each parameter to one group of one optimizer",
        )
