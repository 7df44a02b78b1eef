"""Trying something with a model, an optimizer and a loader that afterwards are as they were."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.runtime.randomness import order_state, set_order_state

__all__ = ["unchanged"]


@contextmanager
def unchanged(
    model: nn.Module, *, criterion: Any, optimizers: Iterable[Optimizer], loader: Any
) -> Iterator[None]:
    """Gives back at the end, also after an exception, what training changes.

    That is parameters, gradients and buffers (of a criterion that is a module, too), training flags, the
    optimizers' settings and states, all random numbers, and those of the loader.
    """
    modules = [
        module for part in (model, criterion) if isinstance(part, nn.Module) for module in part.modules()
    ]
    flags = [(module, module.training) for module in modules]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    owned = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    parameters = dict.fromkeys([*owned, *(parameter for group in groups for parameter in group["params"])])
    values = [(parameter, parameter.detach().clone(), parameter.grad) for parameter in parameters]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modules
        for name, buffer in module.named_buffers(recurse=False)
    ]
    settings = [(group, dict(group)) for group in groups]
    states = [
        (optimizer, [(key, copy.deepcopy(state)) for key, state in optimizer.state.items()])
        for optimizer in optimizers
    ]
    order = order_state(loader)
    for parameter in parameters:
        parameter.grad = None  # the tensor itself stays as it is
    with torch.enable_grad():
        try:
            yield
        finally:
            set_order_state(loader, order)
            for optimizer, entries in states:
                optimizer.state.clear()
                optimizer.state.update(entries)
            for group, setting in settings:
                group.clear()
                group.update(setting)
            with torch.no_grad():
                for parameter, value, gradient in values:
                    parameter.copy_(value)
                    parameter.grad = gradient
                for module, name, buffer, value in buffers:
                    buffer.copy_(value)
                    setattr(module, name, buffer)
            for module, training in flags:
                module.training = training
