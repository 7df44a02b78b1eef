"""Tables of histories in CSV files: read run by run, and added to."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from practicezoo.training.history import History

__all__ = ["Row", "append_text", "as_text", "read_rows", "split_runs", "table_of"]

Row = list[str]


def table_of(history: History) -> tuple[Row, list[Row]]:
    """The columns and rows of a history; values keep all their digits."""
    values = zip(history.epochs, *(history[name] for name in history), strict=True)
    return ["epoch", *history], [[repr(value) for value in row] for row in values]


def as_text(rows: Iterable[Row]) -> str:
    """Rows as they stand in a file."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def read_rows(path: Path) -> tuple[Row, list[Row]]:
    """The columns and rows of a file; none if it is missing or empty."""
    if not path.exists():
        return [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read()
    whole_lines = text[: text.rfind("\n") + 1]
    rows = [row for row in csv.reader(io.StringIO(whole_lines, newline="")) if row]
    return (rows[0], rows[1:]) if rows else ([], [])


def split_runs(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows run by run: each begins with epoch 1."""
    run: list[Row] = []
    for row in rows:
        if row[0] == "1" and run:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def append_text(path: Path, text: str) -> None:
    """Write below what a file holds, through to the disk."""
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
