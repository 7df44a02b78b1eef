"""From what people have to what a network takes: the base of all kinds, and how they are written down."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from torch import Tensor

__all__ = [
    "KINDS",
    "Prepared",
    "Preprocessing",
    "as_samples",
    "each",
    "is_array",
    "preprocessing_from",
    "register_kind",
]

KINDS: dict[str, type["Preprocessing"]] = {}

Kind = TypeVar("Kind", bound="type[Preprocessing]")


class Prepared(NamedTuple):
    """Samples made ready: the network's input, how each sample is called, and what was done to it."""

    inputs: Any
    names: list[str]
    notes: Sequence[Sequence[str]]


class Preprocessing(ABC):
    """Turns samples into a network's input; a call gives the input alone."""

    kind: ClassVar[str]

    def __call__(self, samples: Any) -> Any:
        """The network's input for one sample or many, one row each."""
        return self.prepare([samples] if self.is_one(samples) else samples).inputs

    @abstractmethod
    def is_one(self, samples: Any) -> bool:
        """Whether this is one sample, not a list or a batch of them."""

    @abstractmethod
    def prepare(self, samples: Any) -> Prepared:
        """A list or batch of at least one sample made ready, all in one batch.

        Raises:
            TypeError: if a sample is of the wrong kind.
            ValueError: if a sample is wrong; in a list of several its place is named.
        """

    def as_dict(self) -> dict[str, Any]:
        """Kind and arguments, in types that JSON has."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]  # each kind is a dataclass


def register_kind(kind: Kind) -> Kind:
    """Make a kind of preprocessing readable from a configuration; a class decorator."""
    KINDS[kind.kind] = kind
    return kind


def preprocessing_from(config: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing that :meth:`Preprocessing.as_dict` described.

    Raises:
        ValueError: if its kind is unknown, or its arguments are wrong.
    """
    arguments = dict(config)
    kind = arguments.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"preprocessing must be of a kind among {', '.join(sorted(KINDS))}, got {kind!r}")
    try:
        return KINDS[kind](**arguments)
    except TypeError as error:
        raise ValueError(f"preprocessing of kind {kind!r} has wrong arguments: {error}") from None


def is_array(value: Any) -> bool:
    """Whether it is a tensor or a NumPy array."""
    return isinstance(value, Tensor | np.ndarray)


def as_samples(samples: Any, *, what: str) -> list[Any]:
    """The samples that a list holds, with a word for what is none."""
    if isinstance(samples, str | bytes | Path | Mapping) or not hasattr(samples, "__iter__"):
        raise TypeError(f"sample must be {what}, or a list of them, got {type(samples).__name__}")
    return list(samples)


def each(samples: Sequence[Any], prepare: Any) -> list[Any]:
    """Every sample made ready by itself; an error names the place among several."""
    prepared = []
    for place, sample in enumerate(samples):
        try:
            prepared.append(prepare(sample))
        except (TypeError, ValueError) as error:
            if len(samples) == 1:
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError  # subclasses take more arguments
            raise kind(f"samples[{place}]: {error}") from None
    return prepared
