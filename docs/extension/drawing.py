"""The figure of a batch of sequences, padded and packed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FULL = "#222222", "#d6e6f5"


def draw_padding(path: Path, words: Sequence[str]) -> None:
    """Write a figure of one batch twice: padded to a rectangle, and packed step by step."""
    words = sorted(words, key=len, reverse=True)
    longest = len(words[0])
    cell, left = 0.36, 0.2
    ax = _axes(left + longest * cell + 0.9, (2 * len(words) + 3.4) * cell)
    for part, name in enumerate(("padded: data and lengths", "packed: no padding, batch sizes below")):
        top = -(part * (len(words) + 1.2) + 0.9) * cell
        ax.text(left, top + cell * 0.3, name, fontsize=9, color=INK, va="bottom")
        for row, word in enumerate(words):
            for column in range(longest):
                letter = word[column : column + 1]
                if not letter and part:
                    continue
                corner = (left + column * cell, top - (row + 1) * cell)
                face = FULL if letter else "#eeeeee"
                ax.add_patch(Rectangle(corner, cell, cell, facecolor=face, edgecolor="white", linewidth=1.5))
                ax.text(
                    corner[0] + cell / 2,
                    corner[1] + cell / 2,
                    letter or "0",
                    color=INK if letter else "#888888",
                    fontsize=9,
                    ha="center",
                    va="center",
                )
            if not part:
                ax.text(
                    left + longest * cell + 0.15,
                    top - (row + 0.5) * cell,
                    str(len(word)),
                    fontsize=9,
                    va="center",
                )
        if part:
            for column in range(longest):
                size = sum(len(word) > column for word in words)
                place = (left + (column + 0.5) * cell, top - (len(words) + 0.5) * cell)
                ax.text(*place, str(size), fontsize=9, ha="center", va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, metadata={"Date": None})


def _axes(width: float, height: float) -> "Axes":
    """One inch of the figure is one unit; y goes down from 0."""
    ax = Figure(figsize=(width, height)).add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set(xlim=(0, width), ylim=(-height, 0))
    ax.set_axis_off()
    return ax
