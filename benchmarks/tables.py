"""Text tables of comparisons and grids, rendered from their JSON form."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

__all__ = [
    "accuracies_table",
    "aligned",
    "cells_table",
    "comparison_table",
    "format_seconds",
    "grid_heading",
    "payload_text",
]

HEADER = ("arm", "median", "10-90 %", "throughput", "ratio [95 %]", "set-up", "first step")
CELLS_HEADER = (
    *("", "batch", "ms a step", "10-90 %", "samples/s", "ratio [95 %]", "first round", "launches"),
    "peak memory",
)
QUICK = "quick run: a check that everything works; the numbers mean little"


def payload_text(payload: Mapping) -> str:
    """Render everything that a script has measured."""
    parts = [f"{title}\n{comparison_table(found)}" for title, found in payload["comparisons"].items()]
    parts += [
        accuracies_table(title, found, quick=payload["quick"])
        for title, found in payload.get("accuracies", {}).items()
    ]
    if "grid" in payload:
        cells = groupby(payload["grid"]["cells"], key=lambda cell: cell["model"])
        parts += [grid_heading(payload["grid"]), *(cells_table(list(of_model)) for _, of_model in cells)]
    return "\n".join(parts)


def comparison_table(comparison: Mapping) -> str:
    """Render one comparison, a warning line included where the numbers cannot be trusted.

    Args:
        comparison: What `Comparison.to_dict` returns, also after a trip through JSON.
    """
    arms = comparison["measurements"]
    reference = comparison["reference"]
    heading = _heading(comparison, num_rounds=len(arms[0]["rounds"]))
    lines = [heading, aligned([HEADER, *(_row(arm, reference) for arm in arms)])]
    if comparison["quick"]:
        lines.append(QUICK)
    elif not comparison["trustworthy"]:
        lines.append(
            f"WARNING: not trustworthy: {reference!r} measured twice differs from itself; "
            "run again on a quieter machine"
        )
    return "\n".join(lines)


def accuracies_table(title: str, found: Mapping[str, Sequence[float]], *, quick: bool) -> str:
    """Render each arm's accuracies over seeds, and how much better the last arm is than the first."""
    lines = [title]
    lines += [
        f"  {arm}: {np.mean(values):.1%} (standard deviation {np.std(values):.1%}, {len(values)} seeds)"
        for arm, values in found.items()
    ]
    first, *_, last = found.values()
    lines.append(f"  {100 * np.subtract(last, first).mean():+.1f} points")
    return "\n".join([*lines, *([QUICK] if quick else [])])


def grid_heading(grid: Mapping) -> str:
    """Render what stands above a grid: the device's own speed, and what is left out."""
    rates = [f"{rate / 1e9:,.1f} billion {what} a second" for what, rate in grid["rates"].items()]
    return "\n".join([f"the device: {', '.join(rates)}", *(f"left out: {what}" for what in grid["left_out"])])


def cells_table(cells: Sequence[Mapping]) -> str:
    """Render the cells of one model: a comparison for each batch size."""
    first = cells[0]
    rows = [CELLS_HEADER, *(_cell_row(cell, arm) for cell in cells for arm in cell["measurements"])]
    told = [column for column in zip(*rows, strict=True) if any(column[1:])]
    lines = [
        f"{first['model']}: {_heading(first, num_rounds=first['num_rounds'])}",
        aligned(list(zip(*told, strict=True))),
    ]
    doubtful = [str(cell["batch_size"]) for cell in cells if not cell["trustworthy"]]
    if first["quick"]:
        lines.append(QUICK)
    elif doubtful:
        lines.append(
            f"doubtful at batch size {', '.join(doubtful)}: {first['reference']!r} measured twice differs "
            "from itself"
        )
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Join rows of cells into lines, the first column flush left and the others flush right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


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


def _three_digits(number: float) -> str:
    """Write a number with about three digits: 1.23, 12.3, 123, 12,345."""
    decimals = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{decimals}f}"
