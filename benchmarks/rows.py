"""Results as flat rows, one for each arm: what a CSV file holds and what two runs are compared by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Row", "rows_of"]


@dataclass(frozen=True)
class Row:
    """One arm of one comparison. Seconds are those of one step; ratios are to the comparison's reference."""

    comparison: str
    arm: str
    is_reference: bool
    trustworthy: bool
    median_seconds: float
    low_seconds: float
    high_seconds: float
    throughput: float
    unit: str
    ratio: float
    ratio_low: float
    ratio_high: float
    setup_seconds: float
    first_step_seconds: float
    launches: int | None = None
    peak_bytes: int | None = None
    of_product_rate: float | None = None
    of_copy_rate: float | None = None


def rows_of(payload: Mapping) -> Iterator[Row]:
    """Give every arm of a payload: of its comparisons, then of its grid."""
    for title, comparison in payload["comparisons"].items():
        yield from _rows(title, comparison)
    for cell in payload.get("grid", {"cells": []})["cells"]:
        yield from _rows(f"{cell['model']}, batch {cell['batch_size']}", cell)


def _rows(title: str, comparison: Mapping) -> Iterator[Row]:
    num_steps = comparison.get("steps", 1)
    for arm in comparison["measurements"]:
        yield Row(
            comparison=title,
            arm=arm["name"],
            is_reference=arm["name"] == comparison["reference"],
            trustworthy=comparison["trustworthy"],
            median_seconds=arm["median"] / num_steps,
            low_seconds=arm["low"] / num_steps,
            high_seconds=arm["high"] / num_steps,
            throughput=arm["throughput"],
            unit=arm["unit"],
            ratio=arm["ratio"]["median"],
            ratio_low=arm["ratio"]["low"],
            ratio_high=arm["ratio"]["high"],
            setup_seconds=arm["setup"],
            first_step_seconds=arm["first_step"],
            **{name: arm.get(name) for name in ("launches", "peak_bytes", "of_product_rate", "of_copy_rate")},
        )
