"""Random numbers that a resumed run cannot have again: without a state, or with one in another process."""

import random
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from practicezoo.runtime.loaders import has_persistent_workers, loader_parts
from practicezoo.runtime.preserve import preserve_loaders
from practicezoo.runtime.randomness import generators_of

__all__ = ["parts_without_state", "samples_in_workers"]


def parts_without_state(*loaders: Any) -> list[str]:
    """The classes of those parts that hold a ``random.SystemRandom``."""
    return [
        type(part).__name__
        for part in loader_parts(*loaders)
        if any(isinstance(value, random.SystemRandom) for value in getattr(part, "__dict__", {}).values())
    ]


def samples_in_workers(loader: Any) -> bool:
    """Whether persistent workers of the loader sample random numbers: tried here, with the first sample.

    What cannot be tried, such as a data set without a first sample, counts as one that does not.
    """
    return any(_samples(part) for part in loader_parts(loader) if has_persistent_workers(part))


def _samples(loader: DataLoader[Any]) -> bool:
    generators = generators_of(loader)
    with preserve_loaders(loader):
        expected = _next_numbers(generators)
    with preserve_loaders(loader):
        try:
            sample = loader.dataset[0]
            loader.collate_fn(sample if loader.batch_size is None else [sample])
        except Exception:  # noqa: BLE001  # any data set can be given
            return False
        return _next_numbers(generators) != expected


def _next_numbers(generators: list[Any]) -> list[float]:
    """What the global generators and these give next."""
    numbers = [random.random(), np.random.rand(), float(torch.rand((), device="cpu"))]  # noqa: NPY002, S311
    return numbers + [
        float(torch.rand((), generator=each, device=each.device))
        if isinstance(each, torch.Generator)
        else each.random()
        for each in generators
    ]
