"""Rows of numbers from the lines of a CSV file, with errors that name row and column."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch

from practicezoo.arguments import shorten

__all__ = ["Line", "RowReader", "find_lines"]


class Line(NamedTuple):
    """A line of a file: its number from 1, where it begins, and its bytes."""

    number: int
    offset: int
    text: bytes


def find_lines(file: BinaryIO) -> Iterator[Line]:
    """The lines of ``file`` that are not blank."""
    offset = 0
    for number, text in enumerate(file, start=1):
        if text.strip():
            yield Line(number, offset, text)
        offset += len(text)


@dataclass
class RowReader:
    """Turns the lines of one file into numbers.

    Attributes:
        path: the file, for messages.
        delimiter: what stands between two values.
        dtype: the type that the numbers must fit into.
        names: the columns' names, for messages.
        num_columns: values that every row must have.
    """

    path: Path
    delimiter: str
    dtype: torch.dtype
    names: list[str] | None = None
    num_columns: int = 0

    def split(self, line: Line) -> list[str]:
        """The values of a line, as text."""
        try:
            text = line.text.decode("utf-8-sig")
            if "\r" in text.rstrip("\r\n"):
                raise ValueError(
                    f"{self.path}: row {line.number} must end in \\n or \\r\\n, got \\r alone: save the file "
                    "with other line ends"
                )
            if text.count('"') % 2:
                raise ValueError(
                    f"{self.path}: row {line.number} must close its quotes, got {shorten(text)}: a value "
                    "must not hold a line break"
                )
            (fields,) = csv.reader([text], delimiter=self.delimiter)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise ValueError(
                f"{self.path}: the file must be UTF-8 text, got byte 0x{byte:02x} in row {line.number}"
            ) from None
        except csv.Error as error:
            raise ValueError(f"{self.path}: row {line.number}: {error}") from None
        return fields

    def numbers(self, line: Line) -> list[float]:
        """The values of a line."""
        fields = self.split(line)
        if len(fields) != self.num_columns:
            raise ValueError(
                f"{self.path}: row {line.number} must have {self.num_columns} columns as the first row has, "
                f"got {len(fields)}"
            )
        limit = torch.finfo(self.dtype).max
        values = []
        for column, field in enumerate(fields):
            try:
                value = float(field.replace("_", "?"))  # Python reads 1_000 as a number
            except ValueError:
                raise ValueError(
                    f"{self._place(line, column)} must be a number, got {shorten(field)}"
                    f"{self._habit(line, field, fields)}"
                ) from None
            if not abs(value) <= limit:  # nor is NaN
                raise ValueError(
                    f"{self._place(line, column)} must be finite in {self.dtype}, got {shorten(field)}"
                )
            values.append(value)
        return values

    def _habit(self, line: Line, field: str, fields: list[str]) -> str:
        """What people do that ends in such a field."""
        if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", field):
            return f"; a decimal comma? Write {field.strip().replace(',', '.')}"
        if any(map(_is_number, fields)) and any(map(str.isalpha, field)):
            return "; text, such as labels, must be turned into numbers first"
        return "" if line.offset or self.names else "; is this a header (skip_header=True)?"

    def _place(self, line: Line, column: int) -> str:
        name = f" ({self.names[column]!r})" if self.names else ""
        return f"{self.path}: row {line.number}, column {column}{name}"


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
