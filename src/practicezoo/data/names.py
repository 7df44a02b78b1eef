"""Names and the country they come from."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from practicezoo.arguments import shorten
from practicezoo.data.columns import MAX_NAME_BYTES, Columns
from practicezoo.data.vocab import CharVocab
from practicezoo.sequences import PaddedSequence

__all__ = ["NameDataset", "encode_name"]

Source: TypeAlias = str | Path | Iterable[tuple[str, str]]

MAX_NAME_LENGTH = 1000


class NameDataset(Dataset[tuple[Tensor, int]]):
    """Names as character ids, with their class: the lecture's name classification data.

    Names and labels are checked when the data set is built, so training never stops on a bad row.

    Args:
        source: the path of a CSV or CSV.gz file (UTF-8; two columns, name and label, unless others are
            named), or pairs of name and label.
        classes: the labels in the order of their indices. Default: the sorted labels of ``source``.
            Give the training set's ``classes`` to the test set, so that both mean the same by an index.
        vocab: turns characters into ids. Default: ASCII, accents reduced to plain letters.
        strip: whether to strip blanks around names and labels.
        header: whether the first row, of a file or of pairs, holds the names of the columns. "auto" knows
            one by the usual words (name, surname, label, country, ...) and by the names of columns that are
            asked for; a first row that might be either is refused, as is one whose label occurs once while
            all others recur.
        name_column: the column of the names, counted from 0 or by its name in the header.
        label_column: the column of the labels.
        max_bytes: what a .gz archive may unpack to; default: 8 MiB, some 400,000 names.

    Attributes:
        names: the names, stripped if asked for.
        labels: the label of each name.
        classes: the labels, in the order of their indices.
        class_to_idx: the index of each label.
        vocab: the vocabulary.
        lengths: ids in each name, int64 ``(N,)``.

    An item is ``(ids, class index)``: an int64 tensor ``(T,)`` and an int.

    Raises:
        FileNotFoundError: if ``source`` is a path that does not exist.
        TypeError: if a name or a label is not text.
        ValueError: if the file is empty, damaged or not UTF-8, a row has not two columns, a name is
            empty, longer than 1000 characters or holds a character that is not allowed, or a label is
            not in ``classes``. The message names the row, counted from 1.

    Example:
        >>> names = NameDataset([("Yamamoto", "Japanese"), ("Álvarez", "Spanish")])
        >>> names.classes
        ['Japanese', 'Spanish']
        >>> names[1]
        (tensor([ 65, 108, 118,  97, 114, 101, 122]), 1)
    """

    def __init__(
        self,
        source: Source,
        *,
        classes: Sequence[str] | None = None,
        vocab: CharVocab | None = None,
        strip: bool = True,
        header: bool | Literal["auto"] = "auto",
        name_column: int | str = 0,
        label_column: int | str = 1,
        max_bytes: int = MAX_NAME_BYTES,
    ) -> None:
        self.vocab = CharVocab() if vocab is None else vocab
        self.names: list[str] = []
        self.labels: list[str] = []
        self._ids: list[Tensor] = []
        origin = f"{source}: " if isinstance(source, str | Path) else ""
        allowed = None if classes is None else set(classes)
        columns = Columns(header, name_column, label_column)
        for row, (raw_name, raw_label) in _rows(source, columns, frozenset(allowed or ()), max_bytes):
            if not (isinstance(raw_name, str) and isinstance(raw_label, str)):
                raise TypeError(
                    f"{origin}row {row}: name and label must be text, got {(raw_name, raw_label)!r}"
                )
            name, label = (raw_name.strip(), raw_label.strip()) if strip else (raw_name, raw_label)
            try:
                self._ids.append(encode_name(name, self.vocab))
                _check_label(label, allowed)
            except ValueError as error:
                raise ValueError(f"{origin}row {row}: {error}") from None
            self.names.append(name)
            self.labels.append(label)
        if not self.names:
            raise ValueError(f"{origin}source must have at least one row of name and label, got none")
        self.classes = sorted(set(self.labels)) if classes is None else list(classes)
        self.class_to_idx = {label: index for index, label in enumerate(self.classes)}
        if len(self.class_to_idx) < len(self.classes):
            raise ValueError(f"classes must not repeat, got {self.classes}")
        self.lengths = torch.tensor([len(ids) for ids in self._ids], device="cpu")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._ids[index], self.class_to_idx[self.labels[index]]

    @classmethod
    def mini(cls, split: Literal["train", "test"]) -> "NameDataset":
        """The names that come with the library: 18 countries, no name in both splits.

        Args:
            split: "train" or "test".

        Raises:
            ValueError: if ``split`` is neither.

        Example:
            >>> train, test = NameDataset.mini("train"), NameDataset.mini("test")
            >>> len(train.classes), train.classes == test.classes
            (18, True)
        """
        if split not in {"train", "test"}:
            raise ValueError(f"split must be 'train' or 'test', got {split!r}")
        asset = files("practicezoo.data") / "assets" / "mini_names.csv"
        rows = list(csv.DictReader(io.StringIO(asset.read_text(encoding="utf-8"))))
        classes = sorted({row["country"] for row in rows})
        return cls([(row["name"], row["country"]) for row in rows if row["split"] == split], classes=classes)

    def tensors(self) -> tuple[PaddedSequence, Tensor]:
        """The whole data set as two tensors, for :class:`TensorLoader`.

        Shape:
            - names: ids ``(N, T)`` with lengths ``(N,)``; T is the longest name's length
            - targets: ``(N,)``, int64
        """
        targets = torch.tensor([self.class_to_idx[label] for label in self.labels], device="cpu")
        return PaddedSequence(pad_sequence(self._ids, batch_first=True), self.lengths), targets


def encode_name(name: str, vocab: CharVocab) -> Tensor:
    """The ids of one name, or the reason why it is none.

    Shape:
        - output: ``(T,)``, int64

    Raises:
        ValueError: if the name is empty or only blanks, is longer than 1000 characters, holds a control
            character (NUL among them) or one that the vocabulary refuses.
    """
    if not name.strip():
        raise ValueError(f"name must not be empty, got {name!r}")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"name must have at most {MAX_NAME_LENGTH} characters, got {len(name)}: "
            f"{shorten(name)} (in a CSV file: is a quote left open?)"
        )
    for position, character in enumerate(name):
        if unicodedata.category(character).startswith("C"):
            raise ValueError(
                f"name must not hold control characters, got {character!r} at position {position} "
                f"of {shorten(name)}"
            )
    ids = vocab.encode(name)
    if len(ids) == 0:
        raise ValueError(f"name must have a character that the vocabulary knows, got {name!r}")
    return ids


def _check_label(label: str, allowed: set[str] | None) -> None:
    if not label.strip():
        raise ValueError(f"label must not be empty, got {label!r}")
    if allowed is not None and label not in allowed:
        raise ValueError(f"label must be one of the {len(allowed)} classes, got {shorten(label)}")


def _rows(
    source: Source, columns: Columns, known_labels: frozenset[str], max_bytes: int
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Rows of name and label, numbered from 1."""
    if isinstance(source, str | Path):
        yield from columns.read(Path(source), known_labels, max_bytes)
        return
    if hasattr(source, "columns"):  # iterating over a table of pandas gives its columns' names
        raise TypeError(
            f"source must be a path or pairs of name and label, got a {type(source).__name__}: give "
            "zip(table['name'], table['label'])"
        )
    rows = []
    for number, row in enumerate(source, start=1):
        if isinstance(row, str | Mapping) or not isinstance(row, Iterable):
            raise ValueError(  # noqa: TRY004  # as for a tuple of another length
                f"row {number}: a row must be a name and a label, got {shorten(row)}"
            )
        rows.append((number, list(row)))
    yield from columns.pick(rows, known_labels)
