"""Pictures of computational graphs."""

import re
from math import prod
from typing import TYPE_CHECKING, Any

from practicezoo.plotting.arrange import Block, arrange
from practicezoo.plotting.boxes import draw_box, draw_edges, fit_canvas, new_canvas, new_text, size_of
from practicezoo.plotting.layers import find_layers

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["draw_graph"]

SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "mm": "@", "mv": "@", "dot": "@", "sigmoid": "σ"}  # noqa: RUF001
FILLS = {"input": "#d6e6f5", "parameter": "#d6e6f5", "constant": "#ffffff", "operation": "#f4efe2"}
GRADIENT_INK = "#c0311d"
NODE_ATTRIBUTES = {"kind", "operation", "shape", "value", "gradient"}
EDGE_ATTRIBUTES = {"derivative", "jacobian_shape"}
BOX_HEIGHT, LINE_HEIGHT, PADDING = 0.30, 0.18, 0.09  # inches


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
    _check_graph(graph)
    ax = new_canvas()

    texts = {node: _node_texts(ax, node, data, backward=backward) for node, data in graph.nodes(data=True)}
    labels = {
        (source, target): new_text(ax, label, paper="white")
        for source, target, data in graph.edges(data=True)
        if backward and (label := _edge_label(data))
    }
    blocks = {node: _block(lines) for node, lines in texts.items()}
    arrangement = arrange(find_layers(graph), blocks, {edge: size_of(text) for edge, text in labels.items()})

    for node, lines in texts.items():
        center = arrangement.nodes[node]
        for text, place in zip(lines, [center, *blocks[node].line_centers(center)], strict=True):
            text.set_position(place)
        is_output = node == graph.graph.get("output")
        kind = graph.nodes[node]["kind"]
        rounding = BOX_HEIGHT / (2 if kind == "operation" else 8)
        draw_box(ax, center, blocks[node].box, FILLS[kind], rounding=rounding, is_output=is_output)
    for edge, text in labels.items():
        text.set_position(arrangement.labels[edge])
    draw_edges(ax, arrangement.curves.values())
    fit_canvas(ax, arrangement.bounds)
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
    lines = [new_text(ax, label, fontsize=10.5), new_text(ax, value)]
    if backward and data["gradient"] is not None:
        lines.append(new_text(ax, f"∇ {_short(data['gradient'], data['shape'])}", color=GRADIENT_INK))
    return lines


def _edge_label(data: dict[str, Any]) -> str:
    if data["jacobian_shape"] is None:  # from a constant
        return ""
    return str(data["jacobian_shape"]) if data["derivative"] is None else f"{data['derivative']:.4g}"


def _short(value: Any, shape: tuple[int, ...]) -> str:
    if prod(shape) > 1:
        return str(shape)
    return "?" if value is None else f"{value:.4g}"


def _block(lines: list["Text"]) -> Block:
    in_box, *under = [size_of(text) for text in lines]
    box = max(in_box[0] + 2 * PADDING, BOX_HEIGHT), BOX_HEIGHT
    return Block(box, tuple((width, LINE_HEIGHT) for width, _ in under))
