"""What a run measured, written down as a table while it runs."""

from collections.abc import Mapping
from pathlib import Path

from practicezoo.arguments import check_count
from practicezoo.runtime.files import check_no_folder, write_whole
from practicezoo.runtime.processes import is_main
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.callbacks.rows import (
    Row,
    append_text,
    as_text,
    read_rows,
    split_runs,
    table_of,
)
from practicezoo.training.history import History
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the table of :meth:`~practicezoo.History.to_csv`, a row for each epoch, while the run trains.

    A row is on the disk when its epoch's callbacks are done, or with ``every`` those of several epochs at
    once. What the file holds of other runs stays: a fresh run writes below it, from epoch 1 again (so does
    one that was killed before its first checkpoint). A resumed run finds its own rows, by their values, and
    writes them again from its history, so that each of its epochs is there exactly once, whenever it was
    killed. A last line without an end was only half written, and goes. A value that appears late gets a
    column, with NaN in the run's epochs before.

    Args:
        path: the file; its folder must exist.
        every: epochs from one writing to the next. The end of the run is always written; with more than 1
            put it behind callbacks that may stop the run, so that it sees their stop.

    Raises:
        FileNotFoundError: if there is no such folder.
        IsADirectoryError: if ``path`` is a folder.
        ValueError: if ``every`` is below 1; when an epoch ends, if the file's earlier runs have other columns
            than this one.

    Example:
        >>> import tempfile
        >>> logger = CSVLogger(f"{tempfile.mkdtemp()}/history.csv")  # fit(..., callbacks=[logger])
    """

    def __init__(self, path: str | Path, *, every: int = 1) -> None:
        check_count(every=every)
        self.path = Path(path)
        self.every = every
        if is_main() and not self.path.parent.is_dir():
            raise FileNotFoundError(f"the log's folder must exist, got {self.path.parent}")
        check_no_folder(self.path)
        self._history: History | None = None  # of the run that is being written
        self._columns: Row = []  # of the file, once this run is in it
        self._num_written = 0  # of this run's epochs; at first, how many it was resumed with
        self._earlier: list[Row] = []  # rows of other runs
        self._num_earlier = 0  # how many there were when the run began
        self._place: int | None = None  # of a resumed run's rows, from its checkpoint
        self._loaded: int | None = None

    def on_step_end(self, run: Run, result: StepResult) -> None:  # the hook's signature
        """Look, in the first update, at what the file holds."""
        if is_main():
            self._begin(run)

    def on_epoch_end(self, run: Run) -> None:
        """Write the rows of the epochs since the last writing, if it is time, on rank 0."""
        if not is_main():
            return
        self._begin(run)
        if run.epoch % self.every != 0 and run.epoch != run.epochs and not run.should_stop:
            return
        columns, rows = table_of(run.history)
        if columns == self._columns:
            append_text(self.path, as_text(rows[self._num_written :]))
        else:
            if not self._columns:
                self._earlier = self._rows_of_others(columns, rows[: self._num_written])
            elif self._earlier:
                raise self._mismatch(columns, self._columns)
            with write_whole(self.path) as file:
                file.write(as_text([columns, *self._earlier, *rows]).encode())
            self._columns = columns
        self._num_written = len(rows)

    def state_dict(self) -> dict[str, int]:
        """Where this run's rows begin, for a checkpoint."""
        return {"num_earlier": self._num_earlier}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._history, self._loaded = None, state["num_earlier"]

    def _begin(self, run: Run) -> None:
        if run.history is self._history:
            return
        self._history, self._columns, self._earlier = run.history, [], []
        self._num_written = run.epoch - 1
        self._place, self._loaded = self._loaded, None
        self._num_earlier = len(read_rows(self.path)[1]) if self._place is None else self._place

    def _rows_of_others(self, columns: Row, known: list[Row]) -> list[Row]:
        """The file's rows but for this run's, whose first epochs' rows, if it was resumed, are ``known``."""
        found, rows = read_rows(self.path)
        ours = [dict(zip(columns, row, strict=True)) for row in known]
        others: list[Row] = []
        start = 0
        for run_rows in split_runs(rows):
            if ours:
                pairs = zip(run_rows, ours, strict=False)  # whichever of the two had come further
                is_ours = all(
                    dict(zip(found, row, strict=False)).items() <= own.items() for row, own in pairs
                )
            else:  # restarted from within the first epoch: only the place tells
                is_ours = start == self._place
            others += [] if is_ours else run_rows
            start += len(run_rows)
        if others and found != columns:
            raise self._mismatch(columns, found)
        return others

    def _mismatch(self, expected: Row, found: Row) -> ValueError:
        wanted = f"must have the columns {', '.join(expected)} to hold this run"
        return ValueError(f"{self.path} {wanted}, got {', '.join(found)}")
