"""What a run measured, epoch by epoch."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from practicezoo.metrics.direction import Direction, Mode, better, direction_of
from practicezoo.runtime.files import check_no_folder, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Best", "History"]


class Best(NamedTuple):
    """The best epoch of a history, counted from 1, and its value."""

    epoch: int
    value: float


class History:
    """The measured values of each finished epoch, by name.

    ``history["val_loss"]`` is the list of values, one for each epoch; a value that an epoch lacks is NaN.

    Example:
        >>> history = History()
        >>> history.append({"train_loss": 2.0, "val_accuracy": 0.5})
        >>> history.append({"train_loss": 1.0, "val_accuracy": 0.75})
        >>> history["train_loss"]
        [2.0, 1.0]
        >>> history.best("val_accuracy")
        Best(epoch=2, value=0.75)
    """

    def __init__(self) -> None:
        self.directions: dict[str, Direction] = {}  # of metrics that tell them
        self._columns: dict[str, list[float]] = {}
        self._num_epochs = 0

    def __len__(self) -> int:
        return self._num_epochs

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self._columns[name]
        except KeyError:
            raise KeyError(
                f"history has no {name!r}; it has {', '.join(self._columns) or 'nothing'}"
            ) from None

    def __repr__(self) -> str:
        if len(self) == 0:
            return f"{type(self).__name__}(no epoch)"
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.last().items())
        return f"{type(self).__name__}({len(self)} epochs; the last: {values})"

    def keys(self) -> list[str]:
        """The names of the values, so that ``dict(history)`` and ``pandas.DataFrame(dict(history))`` work."""
        return list(self._columns)

    def items(self) -> list[tuple[str, list[float]]]:
        """Names and their values."""
        return list(self._columns.items())

    @property
    def epochs(self) -> list[int]:
        """The numbers of the finished epochs, from 1."""
        return list(range(1, len(self) + 1))

    def append(self, values: Mapping[str, float]) -> None:
        """Add an epoch's values."""
        for name in values:
            self._columns.setdefault(name, [math.nan] * len(self))
        for name, column in self._columns.items():
            column.append(float(values.get(name, math.nan)))
        self._num_epochs += 1

    def last(self) -> dict[str, float]:
        """The values of the last epoch, by name.

        Raises:
            ValueError: if no epoch has finished.
        """
        if len(self) == 0:
            raise ValueError("history must have at least one epoch, got none")
        return {name: column[-1] for name, column in self._columns.items()}

    def best(self, name: str, *, mode: Mode = "auto") -> Best:
        """The epoch with the best value of ``name``; the earliest of equals.

        Args:
            name: what to compare.
            mode: "min", "max", or "auto": what the metric's ``higher_is_better`` says, else the name's last
                word, such as loss, error, MAE (lower is better) or accuracy, F1, AUROC (higher is better).

        Raises:
            KeyError: if the history has no such values.
            ValueError: if all of them are NaN, or ``mode`` is "auto" and neither metric nor name tells.
        """
        direction = self.direction(name, mode=mode)
        best: Best | None = None
        for epoch, value in zip(self.epochs, self[name], strict=True):
            if not math.isnan(value) and (best is None or better(value, best.value, direction)):
                best = Best(epoch, value)
        if best is None:
            raise ValueError(f"{name} must have a value other than NaN, got {self[name]}")
        return best

    def direction(self, name: str, *, mode: Mode = "auto") -> Direction:
        """Whether the lower or the higher value of ``name`` is better; see :meth:`best`."""
        return direction_of(name, mode=mode, known=self.directions)

    def to_csv(self, path: str | Path) -> None:
        """Write a table with a row for each epoch; values keep all their digits.

        Args:
            path: the file; its folder must exist.

        Raises:
            IsADirectoryError: if ``path`` is a folder.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self._columns])
        writer.writerows(zip(self.epochs, *self._columns.values(), strict=True))
        with write_whole(path) as file:
            file.write(text.getvalue().encode())

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read a table that :meth:`to_csv` or a :class:`~practicezoo.training.CSVLogger` wrote of one run.

        Args:
            path: the file.

        Raises:
            IsADirectoryError: if ``path`` is a folder.
            ValueError: if the file is no such table, or holds several runs.
        """
        check_no_folder(Path(path))
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        if not rows or rows[0][:1] != ["epoch"] or any(len(row) != len(rows[0]) for row in rows):
            raise ValueError(f"{path} must be a history's table, which begins with the column 'epoch'")
        history = cls()
        for number, row in enumerate(rows[1:], start=1):
            if row[0] != str(number):
                raise ValueError(
                    f"{path} must hold one run, its epochs from 1 on; got epoch {row[0]} in row {number}"
                )
            history.append({name: float(value) for name, value in zip(rows[0][1:], row[1:], strict=True)})
        return history

    def plot(self, *names: str) -> "Axes":
        """Draw values over epochs; needs the extra ``plot``.

        Args:
            names: which values; default: every accuracy, or every loss if there is none.

        Returns:
            The figure's axes.
        """
        from practicezoo.plotting import plot_history

        return plot_history(self, *names)

    def state_dict(self) -> dict[str, list[float]]:
        """The values by name, for a checkpoint."""
        return {name: list(column) for name, column in self._columns.items()}

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        """Take over the values of :meth:`state_dict`."""
        self._columns = {name: list(column) for name, column in state.items()}
        self._num_epochs = max(map(len, self._columns.values()), default=0)
