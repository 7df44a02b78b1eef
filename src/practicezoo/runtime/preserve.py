"""Context managers that restore a model, its optimizers and its loaders after a trial run."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.runtime.loaders import loader_parts
from practicezoo.runtime.randomness import (
    generator_state,
    generators_of,
    random_state,
    set_generator_state,
    set_random_state,
)

__all__ = ["preserve_loaders", "preserve_model", "preserve_training_mode"]


@contextmanager
def preserve_training_mode(*models: nn.Module) -> Iterator[None]:
    """Restore the training flag of every submodule at the end, also after an exception."""
    flags = [(module, module.training) for model in models for module in model.modules()]
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def preserve_model(
    model: nn.Module, *, criterion: Any = None, optimizers: Sequence[Optimizer] = ()
) -> Iterator[None]:
    """Restore at the end, also after an exception, what training changes.

    That is parameters, gradients and buffers (of a criterion that is a module, too), training flags, and
    the settings and states of the optimizers. Meanwhile training starts without gradients.
    """
    modules = [part for part in (model, criterion) if isinstance(part, nn.Module)]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    owned = [parameter for module in modules for parameter in module.parameters()]
    held = [parameter for group in groups for parameter in group["params"]]
    with (
        preserve_training_mode(*modules),
        _preserve_parameters(dict.fromkeys([*owned, *held])),
        _preserve_buffers(modules),
        _preserve_optimizers(optimizers),
    ):
        yield


@contextmanager
def _preserve_parameters(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    saved = [(parameter, parameter.detach().clone(), parameter.grad) for parameter in parameters]
    for parameter, _, _ in saved:
        parameter.grad = None  # nothing is added to the tensor that was there
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value, gradient in saved:
                parameter.copy_(value)
                parameter.grad = gradient


@contextmanager
def _preserve_buffers(models: Iterable[nn.Module]) -> Iterator[None]:
    saved = [
        (module, name, buffer, buffer.clone())
        for model in models
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in saved:
                buffer.copy_(value)
                setattr(module, name, buffer)


@contextmanager
def _preserve_optimizers(optimizers: Iterable[Optimizer]) -> Iterator[None]:
    saved = [
        (
            optimizer,
            [(group, dict(group)) for group in optimizer.param_groups],
            [(parameter, copy.deepcopy(state)) for parameter, state in optimizer.state.items()],
        )
        for optimizer in optimizers
    ]
    try:
        yield
    finally:
        for optimizer, settings, states in saved:
            for group, before in settings:
                group.clear()
                group.update(before)
            optimizer.state.clear()
            optimizer.state.update(states)


@contextmanager
def preserve_loaders(*loaders: Any) -> Iterator[None]:
    """Restore at the end, also after an exception, what reading from loaders changes.

    That is all random numbers; the attributes of the loaders, their samplers, data sets and transforms; the
    generators among those; and the lists, which a sampler may shuffle in place.
    """
    namespaces = [getattr(part, "__dict__", None) for loader in loaders for part in loader_parts(loader)]
    # a class has a namespace too, which nobody may write to
    attributes = [(own, own.copy()) for own in namespaces if isinstance(own, dict)]
    lists = [(each, each.copy()) for own, _ in attributes for each in own.values() if type(each) is list]
    found = [generator for loader in loaders for generator in generators_of(loader)]
    generators = [(generator, generator_state(generator)) for generator in found]
    numbers = random_state()
    try:
        yield
    finally:
        set_random_state(numbers)
        for own, before in attributes:
            own.clear()
            own.update(before)
        for items, earlier in lists:
            items[:] = earlier
        for generator, state in generators:
            set_generator_state(generator, state)
