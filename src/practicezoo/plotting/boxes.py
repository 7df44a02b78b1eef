"""Boxes with texts, and arrows between them, on a canvas measured in inches."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from practicezoo.plotting.arrange import Curve, Point, Rectangle
from practicezoo.plotting.extra import needs_matplotlib
from practicezoo.plotting.text import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["draw_box", "draw_edges", "fit_canvas", "new_canvas", "new_text", "size_of"]

EDGE_INK = "#8a8a8a"
MARGIN = 0.12  # inches


def new_canvas() -> "Axes":
    """Axes that fill a new figure, without ticks."""
    with needs_matplotlib():
        from matplotlib.figure import Figure
    ax = Figure().add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    return ax


def fit_canvas(ax: "Axes", bounds: Rectangle) -> None:
    """Give the figure the size of what is drawn: an inch is an inch."""
    x0, y0, x1, y1 = bounds
    ax.set(xlim=(x0 - MARGIN, x1 + MARGIN), ylim=(y0 - MARGIN, y1 + MARGIN))
    ax.figure.set_size_inches(x1 - x0 + 2 * MARGIN, y1 - y0 + 2 * MARGIN)  # type: ignore[union-attr]


def new_text(
    ax: "Axes", string: str, *, fontsize: float = 9, color: str = INK, paper: str = "none"
) -> "Text":
    """A text to be placed later; names are no formulas, so a dollar sign is a dollar sign."""
    background = {"boxstyle": "square,pad=0.1", "facecolor": paper, "edgecolor": "none"}
    text = ax.text(0, 0, string, fontsize=fontsize, color=color, parse_math=False, bbox=background)
    text.set(horizontalalignment="center", verticalalignment="center", zorder=4)
    return text


def size_of(text: "Text") -> tuple[float, float]:
    """Width and height in inches."""
    extent = text.get_window_extent()
    return extent.width / text.figure.dpi, extent.height / text.figure.dpi


def draw_box(
    ax: "Axes", center: Point, size: tuple[float, float], fill: str, *, rounding: float, is_output: bool
) -> None:
    """A box around a text; the output's has a thicker edge."""
    from matplotlib.patches import FancyBboxPatch

    width, height = size
    corner = center[0] - width / 2, center[1] - height / 2
    box = FancyBboxPatch(corner, width, height, boxstyle=f"round,pad=0,rounding_size={rounding}")
    box.set(facecolor=fill, edgecolor=INK, linewidth=1.8 if is_output else 0.8, zorder=3)
    ax.add_patch(box)


def draw_edges(
    ax: "Axes", edges: Iterable[Sequence[Curve]], *, place: Callable[[Point], Point] | None = None
) -> None:
    """An arrow along the curves of each edge.

    Args:
        ax: where.
        edges: the curves of each, in order.
        place: from a point of the arrangement to one of the canvas; default: the same.
    """
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for curves in edges:
        points, codes = [curves[0].start], [Path.MOVETO]
        for curve in curves:
            points += [curve.start, *curve.controls, curve.end]  # a line through the column, then the curve
            codes += [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        path = Path(points if place is None else [place(point) for point in points], codes)
        arrow = FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9)
        arrow.set(color=EDGE_INK, linewidth=0.9, fill=False, zorder=2)
        ax.add_patch(arrow)
