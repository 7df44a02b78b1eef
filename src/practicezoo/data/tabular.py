"""Tables of numbers from CSV files: any of them, and the course's own."""

import io
import operator
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor
from torch.utils.data import Dataset

from practicezoo.data.csv_rows import Line, RowReader, find_lines
from practicezoo.data.files import MAX_BYTES, read_whole

__all__ = ["CSVDataset"]


class CSVDataset(Dataset[tuple[Tensor, Tensor]]):
    r"""The rows of a CSV file of numbers: one column is the target, the others are the features.

    Eager, the default, reads and checks the whole file once. Lazy remembers only where each row begins,
    and reads and checks a row when it is asked for: for files that do not fit in memory. Both give
    the same items, can be pickled, and serve any number of DataLoader workers, forked or spawned.

    Rows in messages are lines of the file, counted from 1, and columns are counted from 0, as ``target``
    counts them. Blank lines are skipped.

    Args:
        path: the file (UTF-8), or its ``.gz`` archive if it is read eagerly: an archive cannot be read
            from the middle.
        target: the target's column, a number from 0 (-1 is the last), or its name in the header.
        dtype: type of the items.
        delimiter: what stands between two values.
        skip_header: whether the first row has the columns' names.
        lazy: whether to read rows only when they are asked for. The file must stay as it is then.
        max_bytes: what a .gz archive may unpack to; default: 64 MiB.

    Attributes:
        columns: the names in the header; None without one.
        num_features: columns that are features.

    An item is ``(features, target)``: tensors ``(num_features,)`` and ``(1,)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, damaged or not UTF-8, a row has more or fewer columns than
            the first, a value is not a finite number, ``target`` is no column, or a file that
            is read lazily is an archive or has changed. The message names row and column.
        TypeError: if ``dtype`` is not a floating-point type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "hours.csv"
        >>> _ = path.write_text("hours,passed\n1,0\n2,0\n3,1\n")
        >>> table = CSVDataset(path, target="passed", skip_header=True)
        >>> table[2]
        (tensor([3.]), tensor([1.]))
    """

    def __init__(
        self,
        path: str | Path,
        *,
        target: int | str = -1,
        dtype: torch.dtype = torch.float32,
        delimiter: str = ",",
        skip_header: bool = False,
        lazy: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.path = Path(path)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"dtype must be a floating-point type, got {dtype}")
        if len(delimiter) != 1 or delimiter in '\r\n"':
            raise ValueError(f"delimiter must be one character, got {delimiter!r}")
        if lazy and self.path.suffix == ".gz":
            raise ValueError(
                f"{path}: an archive cannot be read from the middle, as lazy=True would: unpack it, or read "
                "it with lazy=False"
            )
        self.dtype = dtype
        self.delimiter = delimiter
        self.skip_header = skip_header
        self.lazy = lazy
        self._reader = RowReader(self.path, delimiter, dtype)
        with self.path.open("rb") if lazy else io.BytesIO(read_whole(self.path, max_bytes=max_bytes)) as file:
            lines = find_lines(file)
            first = self._read_first(next(lines, None))
            if skip_header:
                first = next(lines, None)
            if first is None:
                raise ValueError(f"{path}: the file must have at least one row of numbers, got none")
            self.target = self._find_target(target)
            rows = chain([first], lines)
            if lazy:
                self._reader.numbers(first)  # fail here rather than in a worker if this is no table at all
                self._index = torch.tensor([(line.number, line.offset) for line in rows], device="cpu")
                self._version = _version(file)
            else:
                self._tensors = self._parse(rows)

    @property
    def columns(self) -> list[str] | None:
        """The names in the header."""
        return self._reader.names

    @property
    def num_features(self) -> int:
        """Columns that are features."""
        return self._reader.num_columns - 1

    def __len__(self) -> int:
        return len(self._index if self.lazy else self._tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.__getitems__([operator.index(index)])[0]  # a slice would be its first row

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """The items of a batch, as a DataLoader asks for them: the file is opened once."""
        if self.lazy:
            features, targets = self._read(self._index[list(indices)])
        else:
            features, targets = (tensor[list(indices)] for tensor in self._tensors)
        return list(zip(features, targets, strict=True))

    def tensors(self) -> tuple[Tensor, Tensor]:
        """The whole table as two tensors, for :class:`TensorLoader`.

        Shape:
            - features: ``(N, num_features)``
            - targets: ``(N, 1)``
        """
        return self._read(self._index) if self.lazy else self._tensors

    def _read_first(self, line: Line | None) -> Line | None:
        """Learn from the first row how many columns there are, and maybe their names."""
        if line is None:
            return None
        fields = self._reader.split(line)
        if len(fields) < 2:  # a feature and the target
            others = [mark for mark in ",;\t|" if fields and mark in fields[0]]
            hint = f"; is it {others[0]!r} (delimiter=)?" if others else ""
            raise ValueError(
                f"{self.path}: row {line.number} must have at least 2 columns, got 1 "
                f"with the delimiter {self.delimiter!r}{hint}"
            )
        self._reader.num_columns = len(fields)
        if self.skip_header:
            self._reader.names = [field.strip() for field in fields]
        return line

    def _find_target(self, target: int | str) -> int:
        names, num_columns = self._reader.names, self._reader.num_columns
        if isinstance(target, str):
            if names is None:
                raise ValueError(
                    f"{self.path}: target must be a number where there is no header (skip_header=True), "
                    f"got {target!r}"
                )
            if target not in names:
                raise ValueError(
                    f"{self.path}: target must be one of the columns {', '.join(names)}, got {target!r}"
                )
            return names.index(target)
        if not -num_columns <= target < num_columns:
            raise ValueError(
                f"{self.path}: target must lie in [{-num_columns}, {num_columns}), the columns of the table, "
                f"got {target}"
            )
        return target % num_columns

    def _parse(self, lines: Iterable[Line]) -> tuple[Tensor, Tensor]:
        values = array("d")
        for line in lines:
            values.extend(self._reader.numbers(line))
        table = torch.tensor(values, dtype=self.dtype, device="cpu").view(-1, self._reader.num_columns)
        features = torch.cat([table[:, : self.target], table[:, self.target + 1 :]], dim=1)
        return features, table[:, self.target : self.target + 1].clone()

    def _read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at these places, from the file: it is opened anew, so no two workers share it."""
        with self.path.open("rb") as file:
            if _version(file) != self._version:
                raise ValueError(f"{self.path}: the file must stay as it is while it is read row by row")
            return self._parse(_lines_at(file, index))


def _version(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _lines_at(file: BinaryIO, index: Tensor) -> Iterator[Line]:
    for number, offset in index.tolist():
        file.seek(offset)
        yield Line(number, offset, file.readline())
