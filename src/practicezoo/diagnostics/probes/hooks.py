"""Hooks of an optimizer that erase the gradients before it uses them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.trial import Trial
from practicezoo.training.parameters import parameters_of

__all__ = ["find_erasing_hooks"]


def find_erasing_hooks(trial: Trial, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    """Call the hooks that run before a step, once, with gradients to erase on the copies and the originals.

    A hook may have been made for the original model: what it does to that is undone.
    """
    hooks = [_hooks_before_step(optimizer) for optimizer in optimizers]
    if not any(hooks):
        return
    trial.differentiate()
    before = trial.gradient_norm()
    pairs = [
        pair
        for original, twin in zip(optimizers, trial.optimizers, strict=True)
        for pair in zip(parameters_of(original), parameters_of(twin), strict=True)
    ]
    with _lent_gradients(pairs):
        for own, twin in zip(hooks, trial.optimizers, strict=True):
            for hook in own:
                hook(twin, (), {})
        originals = [original.grad.norm() for original, _ in pairs if original.grad is not None]
        after = min(trial.gradient_norm(), float(sum(originals)))
    if before > 0 == after:
        names = ", ".join(getattr(hook, "__qualname__", repr(hook)) for own in hooks for hook in own)
        yield Finding(
            "does-not-learn",
            f"the gradient's norm is {before:.2g} before the optimizer's hooks ({names}) and 0 after them: "
            "no step changes anything",
            "call zero_grad() after a step, or before backward(), not in register_step_pre_hook",
        )


def _hooks_before_step(optimizer: Optimizer) -> list[Callable[..., Any]]:
    return list(getattr(optimizer, "_optimizer_step_pre_hooks", {}).values())


@contextmanager
def _lent_gradients(pairs: Sequence[tuple[nn.Parameter, nn.Parameter]]) -> Iterator[None]:
    """Lend the copies' gradients to the originals, which are afterwards what they were."""
    before = [(original, original.grad, original.detach().clone()) for original, _ in pairs]
    try:
        for original, twin in pairs:
            original.grad = None if twin.grad is None else twin.grad.clone()
        yield
    finally:
        for original, gradient, values in before:
            original.grad = gradient
            if not torch.equal(original, values):
                original.data.copy_(values)
