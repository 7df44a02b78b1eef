"""What a look at a program must leave as it was: random numbers, and loaders that remember where they are."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from practicezoo.runtime.randomness import random_state, set_random_state

__all__ = ["loader_parts", "unchanged"]

PARTS = ("dataset", "sampler", "batch_sampler", "transform")


@contextmanager
def unchanged(*loaders: Any) -> Iterator[None]:
    """Give all random numbers, and the loaders' own attributes and generators, back as they were."""
    parts = [part for loader in loaders for part in loader_parts(loader) if hasattr(part, "__dict__")]
    attributes = [(vars(part), vars(part).copy()) for part in parts]
    values = [value for part in parts for value in vars(part).values()]
    # a sampler may shuffle a list of its own in place
    lists = [(value, list(value)) for value in values if type(value) is list]
    generators = [(value, _state(value)) for value in values if _state(value) is not None]
    numbers = random_state()
    try:
        yield
    finally:
        set_random_state(numbers)
        for now, before in attributes:
            now.clear()
            now.update(before)
        for items, earlier in lists:
            items[:] = earlier
        for generator, state in generators:
            _set_state(generator, state)


def loader_parts(loader: Any) -> list[Any]:
    """The loader, and the data set, samplers and transforms that it draws on."""
    found: list[Any] = []
    pending = [loader]
    while pending:
        part = pending.pop()
        if part is None or any(part is other for other in found):
            continue
        found.append(part)
        # not getattr: a data set may answer to any name, or make what it is asked for
        own = getattr(part, "__dict__", {})
        pending += [own[name] for name in PARTS if name in own]
    return found


def _state(generator: Any) -> Any:
    """The state of a generator of random numbers; None for all else."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    return None


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
