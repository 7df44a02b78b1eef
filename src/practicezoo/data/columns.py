"""Columns of names and labels in the rows of a table, with or without a header."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from practicezoo.arguments import shorten
from practicezoo.data.files import read_whole

__all__ = ["MAX_NAME_BYTES", "Columns", "NumberedRow"]

NumberedRow: TypeAlias = tuple[int, list[str]]

# words of headers; no one is called so and lives in such a country
NAME_WORDS = frozenset(
    {"name", "names", "surname", "surnames", "firstname", "lastname", "first_name", "last_name", "full_name"}
    | {"text"}
)
LABEL_WORDS = frozenset(
    {"label", "labels", "class", "category", "target", "country", "nationality", "language", "origin"}
    | {"gender", "sex"}
)
HEADER_WORDS = NAME_WORDS | LABEL_WORDS | {"id", "index", "split"}
MAX_NAME_BYTES = 2**23  # of an archive, unpacked: the shortest rows take up to 230 times as much memory
FEWEST_ROWS = 4  # from which on labels that recur tell that the first row's does not


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold names and labels, and whether its first row is a header.

    Attributes:
        header: True, False, or "auto" to decide by the first row.
        name: the column of the names, from 0 or by its name.
        label: the column of the labels.
    """

    header: bool | Literal["auto"]
    name: int | str
    label: int | str

    def __post_init__(self) -> None:
        if not (isinstance(self.header, bool) or self.header == "auto"):
            raise ValueError(f"header must be True, False or 'auto', got {self.header!r}")
        if self.name == self.label:
            raise ValueError(f"name_column and label_column must differ, got {self.name!r} for both")

    def read(
        self, path: Path, known_labels: frozenset[str] = frozenset(), max_bytes: int = MAX_NAME_BYTES
    ) -> Iterator[tuple[int, tuple[str, str]]]:
        """Name and label of each row of a file behind the header, with the row's number from 1."""
        return self.pick(list(_csv_rows(path, max_bytes)), known_labels, f"{path}: ")

    def pick(
        self, rows: list[NumberedRow], known_labels: frozenset[str] = frozenset(), origin: str = ""
    ) -> Iterator[tuple[int, tuple[str, str]]]:
        """Name and label of each of these rows behind the header; messages begin with their origin."""
        if not rows:
            return
        number, first = rows[0]
        where = f"{origin}row {number}: "
        fields = [_word(field) for field in first]
        is_header = self._is_header(fields, rows, known_labels, where)
        if is_header and (self.name, self.label) == (0, 1):
            _refuse_swapped(first, fields, where)
        name = _place("name_column", self.name, first, is_header=is_header, origin=origin)
        label = _place("label_column", self.label, first, is_header=is_header, origin=origin)
        if name == label:
            raise ValueError(f"{origin}name_column and label_column must differ, got {name} for both")
        asked = (self.name, self.label) != (0, 1)
        for number, row in islice(rows, int(is_header), None):
            if len(row) != (len(first) if asked else 2):
                raise ValueError(f"{origin}row {number}: {_misfit(row, len(first), asked=asked)}")
            yield number, (row[name], row[label])

    def _is_header(
        self, fields: list[str], rows: list[NumberedRow], known_labels: frozenset[str], where: str
    ) -> bool:
        if self.header != "auto":
            return bool(self.header)
        asked = [_word(column) for column in (self.name, self.label) if isinstance(column, str)]
        known = [field in HEADER_WORDS or field in asked for field in fields]
        if asked and any(field in asked for field in fields):
            return True
        if not all(known) and (any(known) or self._stands_alone(rows, known_labels)):
            raise ValueError(
                f"{where}{shorten(rows[0][1])} may be a header or a sample: name the columns by its words "
                "(name_column=, --name-column) or give header=True if it is one, else header=False "
                "(--no-header)"
            )
        return all(known) and bool(known)

    def _stands_alone(self, rows: list[NumberedRow], known_labels: frozenset[str]) -> bool:
        """Whether the first row's label occurs once and all others again and again."""
        if not isinstance(self.label, int) or any(len(row) <= self.label for _, row in rows):
            return False
        first, *others = [str(row[self.label]).strip() for _, row in rows]
        recur = len(others) >= FEWEST_ROWS and min(Counter(others).values()) > 1
        return recur and first not in others and first not in known_labels


def _refuse_swapped(first: list[str], fields: list[str], where: str) -> None:
    if len(fields) == 2 and fields[0] in LABEL_WORDS and fields[1] in NAME_WORDS:
        raise ValueError(
            f"{where}names must stand before labels, got the header {shorten(first)}: give "
            f"name_column={first[1].strip()!r}, label_column={first[0].strip()!r}"
        )


def _misfit(row: list[str], num_columns: int, *, asked: bool) -> str:
    if asked:
        return f"a row must have {num_columns} columns as the first row has, got {shorten(row)}"
    hint = ": say which columns with name_column= and label_column=" if len(row) > 2 else ""
    separators = [mark for mark in ";\t|" if len(row) == 1 and mark in str(row[0])]
    if separators:
        hint = f": columns must be separated by commas, not by {separators[0]!r}"
    return f"a row must be a name and a label, got {shorten(row)}{hint}"


def _place(argument: str, column: int | str, first: list[str], *, is_header: bool, origin: str) -> int:
    if isinstance(column, int):
        if not 0 <= column < max(len(first), 2):
            raise ValueError(f"{origin}{argument} must lie in [0, {len(first)}), got {column}")
        return column
    names = [" ".join(str(field).split()) for field in first]
    if not is_header or names.count(column) != 1:
        rule = "named once in the header" if names.count(column) > 1 else "named in the header"
        raise ValueError(f"{origin}{argument} must be {rule}, {shorten(names)}, got {column!r}")
    return names.index(column)


def _word(field: object) -> str:
    return "_".join(str(field).casefold().replace("-", " ").split())


def _csv_rows(path: Path, max_bytes: int) -> Iterator[NumberedRow]:
    number = 0
    try:
        text = read_whole(path, max_bytes=max_bytes).decode("utf-8-sig")
        for number, row in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
            if row:
                yield number, row
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: the file must be UTF-8 text, got byte 0x{error.object[error.start]:02x} "
            f"at offset {error.start}"
        ) from None
    except csv.Error as error:
        raise ValueError(f"{path}: row {number + 1}: {error}") from None
