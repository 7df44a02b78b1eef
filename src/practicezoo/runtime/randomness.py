"""Random states: what must be put back so that the same random numbers come again."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from practicezoo.runtime.loaders import loader_parts

__all__ = [
    "generator_state",
    "generators_of",
    "order_state",
    "random_state",
    "seed_everything",
    "set_generator_state",
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


def order_state(*loaders: Any) -> dict[str, Any]:
    """All that the next epoch of the loaders depends on, in plain values.

    That is the global states, those of the generators that the loaders and their parts own, and the
    ``state_dict`` of parts that have one. Modules may stand among the loaders, for their generators.
    """
    return {
        "random": random_state(),
        "generators": [_as_plain(generator_state(generator)) for generator in generators_of(*loaders)],
        "parts": [_as_plain(part.state_dict()) for part in _stateful_parts(*loaders)],
    }


def set_order_state(state: Mapping[str, Any], *loaders: Any, parts: bool = True) -> None:
    """Put back what :func:`order_state` returned; ``parts`` that have given batches since keep their own.

    Raises:
        ValueError: if these have more or fewer generators of their own, or generators of other kinds.
    """
    generators = generators_of(*loaders)
    if len(generators) != len(state["generators"]):
        raise ValueError(
            f"loaders and model must have {len(state['generators'])} generators of their own as before, "
            f"got {len(generators)}"
        )
    set_random_state(state["random"])
    for generator, saved in zip(generators, state["generators"], strict=True):
        try:
            set_generator_state(generator, _from_plain(saved))
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            raise ValueError(
                f"loaders and model must have generators of the same kinds as before, got a "
                f"{type(generator).__name__}: {error}"
            ) from error
    if parts:
        for part, saved in zip(_stateful_parts(*loaders), state["parts"], strict=False):
            part.load_state_dict(_from_plain(saved))


def _stateful_parts(*loaders: Any) -> list[Any]:
    """The parts of loaders that can say where they are; modules have no place in an order."""
    return [
        part
        for part in loader_parts(*loaders)
        if not isinstance(part, torch.nn.Module)
        and callable(getattr(type(part), "state_dict", None))
        and callable(getattr(type(part), "load_state_dict", None))
    ]


def _as_plain(value: Any) -> Any:
    """A state in types that a checkpoint holds."""
    if isinstance(value, np.ndarray):
        return {"ndarray": str(value.dtype), "values": torch.from_numpy(value.astype(np.int64))}
    if isinstance(value, dict):
        return {key: _as_plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_as_plain(each) for each in value)
    return value.item() if isinstance(value, np.generic) else value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"ndarray", "values"}:
        return value["values"].numpy().astype(value["ndarray"])
    if isinstance(value, dict):
        return {key: _from_plain(each) for key, each in value.items()}
    return tuple(_from_plain(each) for each in value) if isinstance(value, tuple) else value


def generators_of(*loaders: Any) -> list[Any]:
    """The generators of torch, Python and NumPy that loaders and their parts own, each once."""
    # the loaders' by name too: one around another loader may pass it on
    values = [getattr(loader, "generator", None) for loader in loaders]
    for part in loader_parts(*loaders):
        values += getattr(part, "__dict__", {}).values()
    kinds = torch.Generator, random.Random, np.random.Generator, np.random.RandomState
    found = {id(value): value for value in values if isinstance(value, kinds)}
    # the operating system's has no state
    return [each for each in found.values() if not isinstance(each, random.SystemRandom)]


def generator_state(generator: Any) -> Any:
    """The state of a generator of torch, Python or NumPy."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state()


def set_generator_state(generator: Any, state: Any) -> None:
    """Put back what :func:`generator_state` returned."""
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


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
    np.random.seed(seed)  # noqa: NPY002  # user code may use NumPy's global generator
    torch.manual_seed(seed)
    return seed
