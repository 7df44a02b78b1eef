"""Pictures of computational graphs."""

import re
from math import prod
from typing import TYPE_CHECKING, Any

from practicezoo.plotting.arrange import Arrangement, Block, arrange
from practicezoo.plotting.extra import needs_matplotlib
from practicezoo.plotting.layers import find_layers

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["draw_graph"]

SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "mm": "@", "mv": "@", "dot": "@", "sigmoid": "σ"}  # noqa: RUF001
FILLS = {"input": "#d6e6f5", "parameter": "#d6e6f5", "constant": "#ffffff", "operation": "#f4efe2"}
INK, EDGE_INK, GRADIENT_INK = "#222222", "#8a8a8a", "#c0311d"
NODE_ATTRIBUTES = {"kind", "operation", "shape", "value", "gradient"}
EDGE_ATTRIBUTES = {"derivative", "jacobian_shape"}
BOX_HEIGHT, LINE_HEIGHT, PADDING, MARGIN = 0.30, 0.18, 0.09, 0.12  # inches


def draw_graph(graph: "nx.DiGraph", *, backward: bool = True) -> "Axes":
    """Draw a computational graph from its inputs on the left to its output on the right.

    A box is a tensor: an input or parameter is blue and a constant white, with its name; a result is round,
    with its operation. Under the box stands the value ("?" if unknown), or the shape if it has several
    elements; then, in red behind ∇, the gradient. A number on an edge is the local derivative, a shape in
    brackets that of the Jacobian.

    Args:
        graph: what :func:`practicezoo.graph.trace` returned.
        backward: with gradients and derivatives; without, the picture shows the forward pass alone.

    Returns:
        The axes, in inches, of a figure as large as the graph needs; ``ax.figure.savefig(...)`` writes it.
        Up to 15 nodes no text overlaps another.

    Raises:
        ImportError: if matplotlib is missing.
        TypeError: if ``graph`` is not a directed graph.
        ValueError: if it is empty, or its nodes and edges are not those of :func:`~practicezoo.graph.trace`.

    Example:
        >>> import torch
        >>> from practicezoo.graph import trace
        >>> a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
        >>> ax = draw_graph(trace((a + b) * (b + 1), {"a": a, "b": b}))
        >>> ax.figure.savefig("graph.png")  # doctest: +SKIP
    """
    with needs_matplotlib():
        from matplotlib.figure import Figure
    _check_graph(graph)
    figure = Figure()
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()

    texts = {node: _node_texts(ax, node, data, backward=backward) for node, data in graph.nodes(data=True)}
    labels = {
        (source, target): _text(ax, label, paper="white")
        for source, target, data in graph.edges(data=True)
        if backward and (label := _edge_label(data))
    }
    blocks = {node: _block(lines) for node, lines in texts.items()}
    arrangement = arrange(find_layers(graph), blocks, {edge: _size(text) for edge, text in labels.items()})

    for node, lines in texts.items():
        center = arrangement.nodes[node]
        for text, place in zip(lines, [center, *blocks[node].line_centers(center)], strict=True):
            text.set_position(place)
        is_output = node == graph.graph.get("output")
        _draw_box(ax, center, blocks[node].box[0], kind=graph.nodes[node]["kind"], is_output=is_output)
    for edge, text in labels.items():
        text.set_position(arrangement.labels[edge])
    _draw_edges(ax, arrangement)
    x0, y0, x1, y1 = arrangement.bounds
    ax.set(xlim=(x0 - MARGIN, x1 + MARGIN), ylim=(y0 - MARGIN, y1 + MARGIN))
    figure.set_size_inches(x1 - x0 + 2 * MARGIN, y1 - y0 + 2 * MARGIN)
    return ax


def _check_graph(graph: "nx.DiGraph") -> None:
    import networkx as nx

    if not isinstance(graph, nx.DiGraph):
        raise TypeError(f"graph must be a networkx.DiGraph, got {type(graph).__name__}")
    if not graph:
        raise ValueError("graph must have at least one node to draw, got none")
    for item, data, needed in (
        *((node, data, NODE_ATTRIBUTES) for node, data in graph.nodes(data=True)),
        *(((source, target), data, EDGE_ATTRIBUTES) for source, target, data in graph.edges(data=True)),
    ):
        if missing := needed - data.keys():
            raise ValueError(
                "graph must come from practicezoo.graph.trace, "
                f"but {item!r} lacks {', '.join(sorted(missing))}"
            )


def _node_texts(ax: "Axes", node: str, data: dict[str, Any], *, backward: bool) -> list["Text"]:
    """The text in the box and those under it."""
    operation = data["operation"]
    label = node if operation is None else SYMBOLS.get(operation, operation)
    value = _short(data["value"], data["shape"])
    if operation is not None and not re.fullmatch(rf"{re.escape(operation)}(_\d+)?", node):
        value = f"{node} {value}" if prod(data["shape"]) > 1 else f"{node} = {value}"
    lines = [_text(ax, label, fontsize=10.5), _text(ax, value)]
    if backward and data["gradient"] is not None:
        lines.append(_text(ax, f"∇ {_short(data['gradient'], data['shape'])}", color=GRADIENT_INK))
    return lines


def _edge_label(data: dict[str, Any]) -> str:
    if data["jacobian_shape"] is None:  # from a constant
        return ""
    return str(data["jacobian_shape"]) if data["derivative"] is None else f"{data['derivative']:.4g}"


def _short(value: Any, shape: tuple[int, ...]) -> str:
    if prod(shape) > 1:
        return str(shape)
    return "?" if value is None else f"{value:.4g}"


def _text(ax: "Axes", string: str, *, fontsize: float = 9, color: str = INK, paper: str = "none") -> "Text":
    """A text to be placed later; names are no formulas, so a dollar sign is a dollar sign."""
    background = {"boxstyle": "square,pad=0.1", "facecolor": paper, "edgecolor": "none"}
    text = ax.text(0, 0, string, fontsize=fontsize, color=color, parse_math=False, bbox=background)
    text.set(horizontalalignment="center", verticalalignment="center", zorder=4)
    return text


def _size(text: "Text") -> tuple[float, float]:
    """Width and height in inches."""
    extent = text.get_window_extent()
    return extent.width / text.figure.dpi, extent.height / text.figure.dpi


def _block(lines: list["Text"]) -> Block:
    in_box, *under = [_size(text) for text in lines]
    box = max(in_box[0] + 2 * PADDING, BOX_HEIGHT), BOX_HEIGHT
    return Block(box, tuple((width, LINE_HEIGHT) for width, _ in under))


def _draw_box(ax: "Axes", center: tuple[float, float], width: float, *, kind: str, is_output: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = center[0] - width / 2, center[1] - BOX_HEIGHT / 2
    rounding = BOX_HEIGHT / (2 if kind == "operation" else 8)
    box = FancyBboxPatch(corner, width, BOX_HEIGHT, boxstyle=f"round,pad=0,rounding_size={rounding}")
    box.set(facecolor=FILLS[kind], edgecolor=INK, linewidth=1.8 if is_output else 0.8, zorder=3)
    ax.add_patch(box)


def _draw_edges(ax: "Axes", arrangement: Arrangement) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for curves in arrangement.curves.values():
        points, codes = [curves[0].start], [Path.MOVETO]
        for curve in curves:
            points += [curve.start, *curve.controls, curve.end]  # a line through the column, then the curve
            codes += [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        arrow = FancyArrowPatch(path=Path(points, codes), arrowstyle="-|>", mutation_scale=9)
        arrow.set(color=EDGE_INK, linewidth=0.9, fill=False, zorder=2)
        ax.add_patch(arrow)
