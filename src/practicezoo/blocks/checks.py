"""Checks of a module's inputs: errors that name the module, the expected and the given shape."""

from collections.abc import Sequence
from typing import Any

import torch.fx
from torch import Tensor, nn
from torch.nn.modules import module as every_module

__all__ = ["check_shape", "check_tensor", "has_hooks", "is_traced"]

HOOKS = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")


def check_shape(
    module: nn.Module,
    inputs: Any,
    shape: Sequence[str | int],
    *,
    floating: bool = False,
    noun: str = "inputs",
) -> None:
    """Raise unless ``inputs`` are a tensor (TypeError) of that shape (ValueError).

    Args:
        module: whose inputs they are.
        inputs: what it was given.
        shape: its sizes; a letter stands for any size.
        floating: whether they must be floating point.
        noun: what a message calls them.
    """
    if not check_tensor(module, inputs, floating=floating, noun=noun):
        return
    if inputs.ndim == len(shape):
        for size, given in zip(shape, inputs.shape, strict=True):
            if not isinstance(size, str) and size != given:
                break
        else:
            return
    expected = ", ".join(map(str, shape))
    raise ValueError(
        f"{type(module).__name__} expects {noun} of shape ({expected}), got {tuple(inputs.shape)}"
    )


def check_tensor(module: nn.Module, inputs: Any, *, floating: bool = False, noun: str = "inputs") -> bool:
    """Raise TypeError unless ``inputs`` are a tensor; returns whether its shape is known."""
    if not isinstance(inputs, Tensor):
        if is_traced(inputs):
            return False
        raise TypeError(f"{type(module).__name__} expects a tensor, got {type(inputs).__name__}")
    if floating and not inputs.is_floating_point():
        raise TypeError(
            f"{type(module).__name__} expects floating-point {noun}, got {inputs.dtype}: scale them first"
        )
    return True


def is_traced(value: Any) -> bool:
    """Whether ``torch.fx`` traces: it passes stand-ins without a shape, on which no check can branch."""
    return isinstance(value, torch.fx.Proxy)


def has_hooks(module: nn.Module) -> bool:
    """Whether the module, or every module, has one."""
    return any(getattr(module, f"_{kind}") or getattr(every_module, f"_global_{kind}") for kind in HOOKS)
