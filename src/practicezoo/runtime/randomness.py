"""Random states: what must be put back so that the same numbers are drawn again."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from practicezoo.runtime.loaders import loader_parts

__all__ = [
    "loader_generators",
    "order_state",
    "random_state",
    "seed_everything",
    "set_order_state",
    "set_random_state",
]


def random_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators (on every device), as plain values."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": (version, torch.tensor(words), gauss),
        "numpy": (kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put back what :func:`random_state` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    for device, device_state in enumerate(state["cuda"]):
        torch.cuda.set_rng_state(device_state, device)
    if state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"])


def order_state(loader: Any) -> dict[str, Any]:
    """All that the order of the loader's next epoch depends on: the global states and its own generators'."""
    return {
        "random": random_state(),
        "generators": [generator.get_state() for generator in loader_generators(loader)],
    }


def set_order_state(loader: Any, state: Mapping[str, Any]) -> None:
    """Put back what :func:`order_state` returned.

    Raises:
        ValueError: if this loader has more or fewer generators of its own.
    """
    generators = loader_generators(loader)
    if len(generators) != len(state["generators"]):
        raise ValueError(
            f"train_loader must shuffle with {len(state['generators'])} generators of its own as before, "
            f"got {len(generators)}"
        )
    set_random_state(state["random"])
    for generator, saved in zip(generators, state["generators"], strict=True):
        generator.set_state(saved)


def loader_generators(loader: Any) -> list[torch.Generator]:
    """The generators of its own that a loader shuffles with."""
    found = {id(part.generator): part.generator for part in loader_parts(loader) if _has_generator(part)}
    return list(found.values())


def _has_generator(part: Any) -> bool:
    return isinstance(getattr(part, "generator", None), torch.Generator)


def seed_everything(seed: int) -> int:
    """Seed Python's, NumPy's and torch's random numbers (on every device).

    Args:
        seed: from 0 to 2**32 - 1, NumPy's range.

    Returns:
        The seed.

    Raises:
        ValueError: if ``seed`` is outside that range.

    Example:
        >>> seed_everything(7)
        7
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie between 0 and 2**32 - 1, got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # user code may draw from NumPy's global numbers
    torch.manual_seed(seed)
    return seed
