"""Text tables of comparisons and grids, rendered from their JSON form."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "QUICK",
    "Table",
    "accuracies_table",
    "aligned",
    "cells_table",
    "comparison_table",
    "environment_notes",
    "format_seconds",
    "format_threads",
    "grid_heading",
    "payload_tables",
    "payload_text",
]

HEADER = ("arm", "median", "10-90 %", "throughput", "ratio [95 %]", "set-up", "first step")
CELLS_HEADER = (
    *("", "batch", "ms a step", "10-90 %", "samples/s", "ratio [95 %]", "first round", "launches"),
    *("peak memory", "of products", "of copying"),
)
QUICK = "quick run: a check that everything works; the numbers mean little"


class Table(NamedTuple):
    """Some measurements side by side.

    Attributes:
        title: what was measured; may be empty.
        heading: how it was measured.
        rows: cells as text, the head first.
        notes: what to mind, a line each.
    """

    title: str
    heading: str
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]

    def __str__(self) -> str:
        above = ": ".join(part for part in (self.title, self.heading) if part)
        return "\n".join([above, aligned(self.rows), *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return what a payload keeps of a script's own table under "tables"."""
        return self._asdict()


def payload_tables(payload: Mapping) -> list[Table]:
    """Everything that a script has measured."""
    tables = [_comparison(found, title) for title, found in payload["comparisons"].items()]
    tables += [
        _accuracies(title, found, quick=payload["quick"])
        for title, found in payload.get("accuracies", {}).items()
    ]
    tables += [Table(**found) for found in payload.get("tables", ())]
    cells = groupby(payload.get("grid", {"cells": ()})["cells"], key=lambda cell: cell["model"])
    return [*tables, *(_cells(list(of_model)) for _, of_model in cells)]


def payload_text(payload: Mapping) -> str:
    """Render everything that a script has measured."""
    heading = environment_notes(payload["environment"])
    heading += [grid_heading(payload["grid"])] if "grid" in payload else []
    return "\n".join([*heading, *map(str, payload_tables(payload))])


def environment_notes(environment: Mapping) -> list[str]:
    """Say whether the machine was busy with other things."""
    if not environment.get("crowded"):
        return []
    fraction = environment["of_best_rate"]
    return [f"crowded: products ran at {fraction:.2f} of the best rate known for this processor"]


def comparison_table(comparison: Mapping) -> str:
    """Render one comparison, a warning line included where the numbers cannot be trusted.

    Args:
        comparison: What `Comparison.to_dict` returns, also after a trip through JSON.
    """
    return str(_comparison(comparison, ""))


def _comparison(comparison: Mapping, title: str) -> Table:
    arms = comparison["measurements"]
    reference = comparison["reference"]
    notes = []
    if comparison["quick"]:
        notes.append(QUICK)
    elif not comparison["trustworthy"]:
        notes.append(
            f"WARNING: not trustworthy: {reference!r} measured twice differs from itself; "
            "run again on a quieter machine"
        )
    heading = _heading(comparison, num_rounds=len(arms[0]["rounds"]))
    return Table(title, heading, [HEADER, *(_row(arm, reference) for arm in arms)], notes)


def accuracies_table(title: str, found: Mapping[str, Sequence[float]], *, quick: bool) -> str:
    """Render each arm's accuracies over seeds, and how much better the best arm is than the worst."""
    return str(_accuracies(title, found, quick=quick))


def _accuracies(title: str, found: Mapping[str, Sequence[float]], *, quick: bool) -> Table:
    rows = [
        (arm, f"{np.mean(values):.1%}", f"{np.std(values):.1%}", str(len(values)))
        for arm, values in found.items()
    ]
    (worst, low), *_, (best, high) = sorted(found.items(), key=lambda item: np.mean(item[1]))
    ahead = f"{best} is {100 * np.subtract(high, low).mean():.1f} points ahead of {worst}"
    notes = [ahead, *[QUICK] * quick]
    return Table(title, "", [("arm", "accuracy", "standard deviation", "seeds"), *rows], notes)


def grid_heading(grid: Mapping) -> str:
    """Render what stands above a grid: the device's own speed, and what is left out."""
    rates = [f"{rate / 1e9:,.1f} billion {what} a second" for what, rate in grid["rates"].items()]
    return "\n".join([f"the device: {', '.join(rates)}", *(f"left out: {what}" for what in grid["left_out"])])


def cells_table(cells: Sequence[Mapping]) -> str:
    """Render the cells of one model: a comparison for each batch size."""
    return str(_cells(cells))


def _cells(cells: Sequence[Mapping]) -> Table:
    first = cells[0]
    rows = [CELLS_HEADER, *(_cell_row(cell, arm) for cell in cells for arm in cell["measurements"])]
    told = [column for column in zip(*rows, strict=True) if any(column[1:])]
    doubtful = [str(cell["batch_size"]) for cell in cells if not cell["trustworthy"]]
    notes = [
        f"phases at batch size {cell['batch_size']}, {cell['reference']}: "
        + ", ".join(f"{phase} {format_seconds(seconds)}" for phase, seconds in cell["detail"].items())
        for cell in cells
        if "detail" in cell
    ]
    if first["quick"]:
        notes.append(QUICK)
    elif doubtful:
        notes.append(
            f"doubtful at batch size {', '.join(doubtful)}: {first['reference']!r} measured twice differs "
            "from itself"
        )
    heading = _heading(first, num_rounds=first["num_rounds"])
    return Table(first["model"], heading, list(zip(*told, strict=True)), notes)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Join rows of cells into lines, the first column flush left and the others flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def format_threads(count: int) -> str:
    """Count threads in words.

    Example:
        >>> format_threads(1), format_threads(2)
        ('1 thread', '2 threads')
    """
    return f"{count} thread{'s' * (count > 1)}"


def format_seconds(seconds: float) -> str:
    """Write seconds with three digits in the unit that suits them.

    Example:
        >>> format_seconds(0.0123)
        '12.3 ms'
    """
    if seconds == 0:
        return "0 s"
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds * 1e6)} us"


def _heading(comparison: Mapping, *, num_rounds: int) -> str:
    return (
        f"{comparison['device']}, {num_rounds} rounds after {comparison['warmup']} of warm-up; "
        f"ratio to {comparison['reference']!r}, below 1 is faster"
    )


def _cell_row(cell: Mapping, arm: Mapping) -> tuple[str, ...]:
    low, median, high = (_three_digits(arm[name] / cell["steps"] * 1e3) for name in ("low", "median", "high"))
    return (
        arm["name"],
        str(cell["batch_size"]),
        median,
        f"{low} - {high}",
        _three_digits(arm["throughput"]),
        _ratio(arm, cell["reference"]),
        format_seconds(arm["first_step"]),
        "" if arm["launches"] is None else f"{arm['launches']:,}",
        "" if arm["peak_bytes"] is None else f"{_three_digits(arm['peak_bytes'] / 2**20)} MiB",
        *(_percent(arm.get(fraction)) for fraction in ("of_product_rate", "of_copy_rate")),
    )


def _row(arm: Mapping, reference: str) -> tuple[str, ...]:
    return (
        arm["name"],
        format_seconds(arm["median"]),
        f"{format_seconds(arm['low'])} - {format_seconds(arm['high'])}",
        f"{_three_digits(arm['throughput'])} {arm['unit']}/s",
        _ratio(arm, reference),
        format_seconds(arm["setup"]),
        format_seconds(arm["first_step"]),
    )


def _ratio(arm: Mapping, reference: str) -> str:
    if arm["name"] == reference:
        return "1"
    return f"{arm['ratio']['median']:.3f} [{arm['ratio']['low']:.3f}, {arm['ratio']['high']:.3f}]"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"


def _three_digits(number: float) -> str:
    """Write a number with about three digits: 1.23, 12.3, 123, 12,345."""
    decimals = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{decimals}f}"
