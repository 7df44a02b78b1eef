"""Texts, words, table rows and plain tensors as networks take them."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from practicezoo.arguments import check_count, shorten
from practicezoo.predictors.preprocessing import (
    Prepared,
    Preprocessing,
    as_samples,
    each,
    is_array,
    register_kind,
)
from practicezoo.sequences import PaddedSequence

__all__ = ["LetterInput", "RowInput", "TensorInput", "TextInput", "parse_number"]


@register_kind
@dataclass(frozen=True)
class TextInput(Preprocessing):
    """Texts as character ids, blanks around them stripped.

    Args:
        characters: those of the vocabulary, in the order of their ids from 1 on; see
            :class:`~practicezoo.CharVocab`.
        unknown: whether the vocabulary has an id for all other characters.

    Raises:
        TypeError: if ``characters`` are no string.

    Example:
        >>> TextInput("abc")(["ab", "c"]).data
        tensor([[1, 2],
                [3, 0]])
    """

    characters: str
    unknown: bool = False

    kind: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        if not isinstance(self.characters, str):
            raise TypeError(
                f"characters must be a string, such as vocab.characters, got {type(self.characters).__name__}"
            )

    def is_one(self, samples: Any) -> bool:
        """Whether it is a string."""
        return isinstance(samples, str)

    def prepare(self, samples: Any) -> Prepared:
        """Ids, padded to the longest of the texts."""
        from practicezoo.data.names import encode_name  # pictures and tables are read without it
        from practicezoo.data.vocab import CharVocab

        vocab = CharVocab(self.characters, unknown=self.unknown)
        texts = as_samples(samples, what="a text")
        return _padded(texts, each(texts, lambda text: encode_name(_checked_text(text).strip(), vocab)))


@register_kind
@dataclass(frozen=True)
class LetterInput(Preprocessing):
    """Words over a few letters, each letter's id its place among them.

    Args:
        letters: all of them.

    Example:
        >>> LetterInput("ehlo")("hello").data
        tensor([[1, 0, 2, 2, 3]])
    """

    letters: str

    kind: ClassVar[str] = "letters"

    def is_one(self, samples: Any) -> bool:
        """Whether it is a string."""
        return isinstance(samples, str)

    def prepare(self, samples: Any) -> Prepared:
        """Ids, padded to the longest of the words."""
        words = as_samples(samples, what="a text")
        return _padded(words, each(words, self._encode))

    def _encode(self, word: Any) -> Tensor:
        if not _checked_text(word):
            raise ValueError("word must not be empty, got ''")
        for position, letter in enumerate(word):
            if letter not in self.letters:
                raise ValueError(
                    f"word must consist of the letters {', '.join(self.letters)}, "
                    f"got {letter!r} at position {position} of {shorten(word)}"
                )
        return torch.tensor([self.letters.index(letter) for letter in word])


@register_kind
@dataclass(frozen=True)
class RowInput(Preprocessing):
    """Rows of a table: so many numbers each, or a text of them with commas between.

    Args:
        num_features: numbers in a row.

    Example:
        >>> RowInput(2)([[1, 2], "3,4"])
        tensor([[1., 2.],
                [3., 4.]])
    """

    num_features: int

    kind: ClassVar[str] = "row"

    def __post_init__(self) -> None:
        check_count(num_features=self.num_features)

    def is_one(self, samples: Any) -> bool:
        """Whether it is a number, a text, or a list or array of numbers."""
        if is_array(samples):
            return samples.ndim < 2
        if isinstance(samples, Real | str):
            return True
        return isinstance(samples, list | tuple) and bool(samples) and isinstance(samples[0], Real)

    def prepare(self, samples: Any) -> Prepared:
        """The rows ``(N, num_features)``."""
        if is_array(samples) and samples.ndim > 2:
            raise ValueError(
                f"samples must be rows (N, {self.num_features}), got shape {tuple(samples.shape)}"
            )
        rows = each(as_samples(samples, what="a row of numbers"), self._parse)
        names = [",".join(f"{value:g}" for value in row) for row in rows]
        return Prepared(torch.tensor(rows, dtype=torch.float32), names, [()] * len(rows))

    def _parse(self, sample: Any) -> list[float]:
        if is_array(sample):
            sample = sample.tolist()
        if isinstance(sample, str):
            fields: list[Any] = sample.split(",") if sample.strip() else []
        elif isinstance(sample, list | tuple):
            fields = list(sample)
        elif isinstance(sample, Real):
            fields = [sample]
        else:
            raise TypeError(f"sample must be a row of numbers, got {type(sample).__name__}")
        if len(fields) != self.num_features:
            counted = "a number" if self.num_features == 1 else f"{self.num_features} numbers"
            raise ValueError(
                f"a row must be {counted} with commas between them, got {len(fields)} in {shorten(sample)}"
                if self.num_features > 1
                else f"a row must be a number, got {shorten(sample)}"
            )
        return [parse_number("a value of a row", field) for field in fields]


@register_kind
@dataclass(frozen=True)
class TensorInput(Preprocessing):
    """What the network itself takes: a tensor or array is a batch, a list holds one sample each.

    Example:
        >>> TensorInput()([torch.zeros(3), torch.ones(3)]).shape
        torch.Size([2, 3])
    """

    kind: ClassVar[str] = "tensor"

    def is_one(self, samples: Any) -> bool:
        """Never: a tensor is a batch."""
        return False

    def prepare(self, samples: Any) -> Prepared:
        """The batch as it is, or the list's tensors stacked."""
        if isinstance(samples, np.ndarray):
            samples = torch.from_numpy(samples)
        if not isinstance(samples, Tensor | PaddedSequence):
            tensors = as_samples(samples, what="a tensor")
            if not all(is_array(tensor) for tensor in tensors):
                raise TypeError("sample must be a tensor or an array where no other preprocessing is given")
            samples = torch.stack([torch.as_tensor(tensor) for tensor in tensors])
        names = [f"sample {place}" for place in range(len(samples))]
        return Prepared(samples, names, [()] * len(names))


def parse_number(name: str, value: Any) -> float:
    """The finite number that a text says, or is.

    Raises:
        ValueError: if it is none.
    """
    try:
        number = float(value)
    except (ValueError, TypeError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return number


def _checked_text(sample: Any) -> str:
    if not isinstance(sample, str):
        raise TypeError(f"sample must be a text, got {type(sample).__name__}")
    return sample


def _padded(texts: list[str], ids: list[Tensor]) -> Prepared:
    lengths = torch.tensor([len(row) for row in ids], device="cpu")
    names = [str(text) for text in texts]  # NumPy's strings are others
    return Prepared(PaddedSequence(pad_sequence(ids, batch_first=True), lengths), names, [()] * len(texts))
