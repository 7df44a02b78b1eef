"""Tables of numbers from CSV files: any of them, and the course's own."""

import io
import operator
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from practicezoo.data.csv_rows import Line, RowReader, find_lines
from practicezoo.data.files import read_whole

__all__ = ["CSVDataset", "DiabetesDataset"]


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

    Attributes:
        columns: the names in the header; None without one.
        num_features: columns that are features.

    An item is ``(features, target)``: tensors ``(num_features,)`` and ``(1,)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, damaged or not UTF-8, a row has more or fewer columns than
            the first, a value is no number, or NaN or infinite, ``target`` is no column, or a file that
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
        with self.path.open("rb") if lazy else io.BytesIO(read_whole(self.path)) as file:
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
                self._index = torch.tensor([(line.number, line.offset) for line in rows])
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
        if len(fields) < 2:  # noqa: PLR2004  # a feature and the target
            raise ValueError(
                f"{self.path}: row {line.number} must have at least 2 columns, got 1 "
                f"with the delimiter {self.delimiter!r}"
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
        table = torch.tensor(values, dtype=self.dtype).view(-1, self._reader.num_columns)
        features = torch.cat([table[:, : self.target], table[:, self.target + 1 :]], dim=1)
        return features, table[:, self.target : self.target + 1].clone()

    def _read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at these places, from the file: it is opened anew, so no two workers share it."""
        with self.path.open("rb") as file:
            if _version(file) != self._version:
                raise ValueError(f"{self.path}: the file must stay as it is while it is read row by row")
            return self._parse(_lines_at(file, index))


class DiabetesDataset(CSVDataset):
    r"""The course's table: eight measurements of 759 women, and whether they have diabetes.

    The measurements are scaled to [-1, 1]. It is the Pima Indians table of 1988 (768 rows) with two faults,
    which ``repair=True`` undoes:

    - The label is inverted: a 1 (496 rows) means *no* diabetes. Repaired, a 1 means diabetes (263 rows).
    - Wherever scaling gave -1, the least value of a column, the file has a 0, the middle. Repaired, all 821
      zeros are -1 again. None of them is a true 0. In four columns scaling cannot give 0: the middle between
      least and greatest value is no whole step of the measurement (8.5 pregnancies). In the other four it
      could, but the original has just nine such rows (age 51, blood pressure 61), and these are the nine
      that the file lacks.

    What cannot be repaired: where the original has a 0 for glucose (5 rows), blood pressure (35), skin
    thickness (224), insulin (371) or body mass index (11), nothing was measured. Such a value stays -1; it is
    unknown, not small.

    Args:
        path: the file, ``diabetes.csv.gz`` or unpacked: rows of nine numbers without a header.
        repair: whether to undo the two faults.
        dtype: type of the items.

    Attributes:
        feature_names: what was measured, column by column.

    An item is ``(features, target)``: tensors ``(8,)`` and ``(1,)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a table (the message gives its shape), a value is outside
            [-1, 1], a label is neither 0 nor 1, or a table that has a -1 is to be repaired; and as
            :class:`CSVDataset`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "diabetes.csv"
        >>> _ = path.write_text("-0.29,0.49,0.18,-0.29,0,0.001,-0.53,-0.03,0\n")
        >>> features, target = DiabetesDataset(path, repair=True)[0]
        >>> features[4], target
        (tensor(-1.), tensor([1.]))

    Source: Smith et al., 1988, Using the ADAP learning algorithm to forecast the onset of diabetes mellitus.
    """

    feature_names: ClassVar[tuple[str, ...]] = (
        "pregnancies",
        "glucose",
        "blood pressure",
        "skin thickness",
        "insulin",
        "body mass index",
        "pedigree",
        "age",
    )

    def __init__(self, path: str | Path, *, repair: bool = False, dtype: torch.dtype = torch.float32) -> None:
        self._check_shape(Path(path))
        super().__init__(path, dtype=dtype)
        self.repair = repair
        features, targets = self.tensors()
        self._check(features, targets)
        if repair:
            if (features == -1).any():
                raise ValueError(
                    f"{path}: repair must be False for a table that has a -1: nothing is to undo"
                )
            self._tensors = features.masked_fill(features == 0, -1), 1 - targets

    def _check_shape(self, path: Path) -> None:
        """Other tables of that name are told by their shape, whatever stands between their values."""
        rows = [line for line in read_whole(path).splitlines() if line.strip()]
        num_features = len(self.feature_names)
        if rows and rows[0].count(b",") != num_features:
            num_columns = len(rows[0].replace(b",", b" ").split())
            raise ValueError(
                f"{path}: the table must have {num_features + 1} columns with commas between them, "
                f"{num_features} features and a label, got shape ({len(rows)}, {num_columns})"
            )

    def _check(self, features: Tensor, targets: Tensor) -> None:
        for name, column in zip(self.feature_names, features.unbind(dim=1), strict=True):
            largest = column[column.abs().argmax()].item()
            if abs(largest) > 1:
                raise ValueError(f"{self.path}: {name} must be scaled to [-1, 1], got {largest:g}")
        wrong = targets[(targets != 0) & (targets != 1)]
        if len(wrong):
            raise ValueError(f"{self.path}: labels must be 0 or 1, got {wrong[0].item():g}")


def _version(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _lines_at(file: BinaryIO, index: Tensor) -> Iterator[Line]:
    for number, offset in index.tolist():
        file.seek(offset)
        yield Line(number, offset, file.readline())
