"""Freezing modules: fixed parameters, norms and dropout in evaluation mode while the rest is trained."""

from collections.abc import Sequence
from typing import TypeVar

from torch import nn

__all__ = ["freeze", "frozen_modules", "train_all_but", "unfreeze"]

MARK = "_practicezoo_frozen"

_Module = TypeVar("_Module", bound=nn.Module)


def freeze(module: _Module) -> _Module:
    """Keep a module as it is through training: no gradients, norms and dropout in evaluation mode.

    :func:`~practicezoo.fit`, :class:`~practicezoo.TrainStep`, :func:`~practicezoo.find_learning_rate` and
    :func:`~practicezoo.check` leave it so; ``module.train()`` alone would not.

    Args:
        module: a part of a model, or all of it.

    Returns:
        The module.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        >>> _ = freeze(model[:2])
        >>> [parameter.requires_grad for parameter in model.parameters()]
        [False, False, False, False, True, True]
    """
    module.requires_grad_(False)
    module.eval()
    for part in module.modules():
        setattr(part, MARK, True)
    return module


def unfreeze(module: _Module) -> _Module:
    """Undo :func:`freeze`: parameters get gradients, and the module is in training mode.

    Args:
        module: a part of a model, or all of it.

    Returns:
        The module.

    Example:
        >>> unfreeze(freeze(nn.Linear(2, 1))).weight.requires_grad
        True
    """
    for part in module.modules():
        vars(part).pop(MARK, None)
    module.requires_grad_(True)
    module.train()
    return module


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """The modules of a model that stay in evaluation mode while it is trained.

    They are those that :func:`freeze` was called on, and, while the whole model is in training mode, those
    that the user froze by hand: they have parameters, none requires a gradient, and they are in evaluation
    mode.
    """
    found: dict[nn.Module, None] = {}
    for module in model.modules():
        by_hand = (
            model.training
            and not module.training
            and not any(parameter.requires_grad for parameter in module.parameters())
            and next(module.parameters(), None) is not None
        )
        if by_hand or getattr(module, MARK, False):
            found |= dict.fromkeys(module.modules())
    return list(found)


def train_all_but(model: nn.Module, frozen: Sequence[nn.Module]) -> None:
    """Set a model to training mode, but for its frozen modules."""
    model.train()
    for module in frozen:
        module.training = False
