"""Figures of blocks: boxes in branches from an input to an output, read off the modules themselves."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import nn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, CONV, OTHER, END = "#222222", "#d6e6f5", "#f4efe4", "#ffffff"
WIDTH, HEIGHT, GAP = 1.5, 0.46, 0.24  # of a box, and between two, in inches


def steps(module: nn.Module) -> list[str]:
    """One line for each layer of a chain; identities are left out."""
    if isinstance(module, nn.Sequential):
        return [line for child in module for line in steps(child)]
    if isinstance(module, nn.Conv2d):
        size = "x".join(str(side) for side in module.kernel_size)
        stride = f", stride {module.stride[0]}" if module.stride[0] > 1 else ""
        return [f"{size} conv{stride}\n{module.in_channels} → {module.out_channels}"]
    if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and module.p == 0):
        return []
    if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
        kind = "mean" if isinstance(module, nn.AvgPool2d) else "max"
        return [f"{module.kernel_size}x{module.kernel_size} {kind} pool"]
    return [type(module).__name__.replace("BatchNorm2d", "batch norm").replace("Dropout", "dropout")]


def draw_branches(
    path: Path, source: str, branches: Sequence[Sequence[str]], join: str, *, tail: Sequence[str] = ()
) -> None:
    """Write a figure of branches that start from one box and end in another; an empty branch is a line."""
    depth = max(len(branch) for branch in branches)
    step, pitch = HEIGHT + GAP, WIDTH + 0.25
    width = max(len(branches) * pitch, 2.6)
    ax = _axes(width, (depth + 2 + len(tail)) * step + 0.2)
    middle, top = width / 2, -step / 2
    _box(ax, middle, top, source, END)
    bottom = top - (depth + 1) * step
    for number, branch in enumerate(branches):
        x = middle + (number - (len(branches) - 1) / 2) * pitch
        start = top - step * (1 + (depth - len(branch)) / 2)  # in the middle of the height
        ys = [start - place * step for place in range(len(branch))]
        points = [(middle, top - HEIGHT / 2), *((x, y) for y in ys), (middle, bottom + HEIGHT / 2)]
        _line(ax, x, points, passes=not branch)
        for y, text in zip(ys, branch, strict=True):
            _box(ax, x, y, text, CONV if "conv" in text else OTHER)
    _box(ax, middle, bottom, join, END)
    for place, text in enumerate(tail, 1):
        y = bottom - place * step
        _arrow(ax, (middle, y + step - HEIGHT / 2), (middle, y + HEIGHT / 2))
        _box(ax, middle, y, text, OTHER)
    _save(ax, path)


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
                face = CONV if letter else "#eeeeee"
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
    _save(ax, path)


def _axes(width: float, height: float) -> "Axes":
    """One inch of the figure is one unit; y goes down from 0."""
    ax = Figure(figsize=(width, height)).add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set(xlim=(0, width), ylim=(-height, 0))
    ax.set_axis_off()
    return ax


def _box(ax: "Axes", x: float, y: float, text: str, face: str) -> None:
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.06"
    patch = FancyBboxPatch(corner, WIDTH, HEIGHT, style, facecolor=face, edgecolor=INK, linewidth=1, zorder=2)
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, linespacing=1.1, zorder=3)


def _line(ax: "Axes", x: float, points: Sequence[tuple[float, float]], *, passes: bool) -> None:
    """From box to box; a branch beside the middle leaves and comes in at a right angle."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    high, low = y0 - GAP / 2, y1 + GAP / 2
    if passes:
        ax.plot([x0, x0, x, x, x1], [y0, high, high, low, low], color=INK, linewidth=1, zorder=1)
    else:
        ys = [y for _, y in points[1:-1]]
        ax.plot([x0, x0, x, x], [y0, high, high, ys[0]], color=INK, linewidth=1, zorder=1)
        for upper, lower in pairwise(ys):
            _arrow(ax, (x, upper - HEIGHT / 2), (x, lower + HEIGHT / 2))
        ax.plot([x, x, x1], [ys[-1], low, low], color=INK, linewidth=1, zorder=1)
    _arrow(ax, (x1, low), (x1, y1))


def _arrow(ax: "Axes", start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1}
    ax.annotate("", xy=end, xytext=start, arrowprops=style)


def _save(ax: "Axes", path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, metadata={"Date": None})
