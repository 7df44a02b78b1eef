"""Drawings of saved results; they need matplotlib, the extra "plot"."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

__all__ = ["draw_growth"]


def draw_growth(growth: Mapping[str, Mapping], path: Path) -> None:
    """Draw each series on two logarithmic axes, with the line that its exponent is the slope of.

    Args:
        growth: series by name, each with its "sizes", "values", "unit" and "exponent".
        path: an image's; the ending tells the format.

    Raises:
        ModuleNotFoundError: without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(growth), 3.2), layout="constrained")
    for axes, (name, found) in zip(
        np.atleast_1d(figure.subplots(1, len(growth))), growth.items(), strict=True
    ):
        sizes, values = np.asarray(found["sizes"], dtype=float), np.asarray(found["values"])
        axes.loglog(sizes, values, "o")
        middle = np.exp(np.log(values).mean() - found["exponent"] * np.log(sizes).mean())
        axes.loglog(
            sizes, middle * sizes ** found["exponent"], "-", label=f"exponent {found['exponent']:.2f}"
        )
        axes.set(xlabel=name, ylabel=found["unit"])
        axes.legend()
    figure.savefig(path)
