"""Trying something with a model, an optimizer and a loader that afterwards are as they were."""

import copy
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.training.device import device_of

__all__ = ["loader_generators", "unchanged"]


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
    generators = [(generator, generator.get_state()) for generator in loader_generators(loader)]
    device = device_of(model)
    random_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002  # user code may draw
    for parameter in parameters:
        parameter.grad = None  # the tensor itself stays as it is
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        try:
            yield
        finally:
            random.setstate(random_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
            for generator, state in generators:
                generator.set_state(state)
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


def loader_generators(loader: Any) -> list[torch.Generator]:
    """The generators of its own that a loader shuffles with."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    )
    found = [getattr(part, "generator", None) for part in parts]
    return [generator for generator in found if isinstance(generator, torch.Generator)]
