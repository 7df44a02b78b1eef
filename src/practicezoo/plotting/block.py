"""Pictures of blocks: what a module computes, from its input at the top to its output at the bottom."""

from typing import TYPE_CHECKING

from torch import nn

from practicezoo.plotting.arrange import Block, Point, Rectangle, arrange
from practicezoo.plotting.boxes import draw_box, draw_edges, fit_canvas, new_canvas, new_text, size_of
from practicezoo.plotting.calls import Inputs, record_calls
from practicezoo.plotting.layers import find_layers

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

__all__ = ["draw_block"]

WEIGHTS, OTHER, END = "#d6e6f5", "#f4efe2", "#ffffff"
PADDING, GAP, SIDE_GAP, ROUNDING = 0.07, 0.28, 0.25, 0.06  # inches


def draw_block(block: nn.Module, inputs: Inputs, *, depth: int | None = None) -> "Axes":
    """Draw what a block computes, branches side by side, from its input at the top to its output.

    A box is a layer or a function that the forward pass calls; what has weights is blue. Under its name
    stands the shape of a sample's output where it changes, and under each layer with weights: for images
    channels x height x width. The output's box has a thick edge. A copy of the block runs once, in
    evaluation mode on the CPU, so that any module can be drawn: what is drawn is what ran.

    Args:
        block: a block, or any module that returns a tensor or a named tuple of tensors.
        inputs: the shape of its input, batch included; or an example of it, in a tuple if there are several.
            A shape means numbers of the type of its parameters, ids where the first layer is an embedding.
        depth: how many levels of modules are opened: 0 draws the modules that ``block`` itself calls as one
            box each, whatever is in them; default: down to layers without children. ``nn.Sequential`` is no
            level, and torch's own layers are never opened.

    Returns:
        The axes, in inches, of a figure as large as the block needs; ``ax.figure.savefig(...)`` writes it.

    Raises:
        ImportError: if matplotlib is missing.
        TypeError: if ``block`` is no module, or ``inputs`` are neither tensors nor a shape.
        ValueError: if ``depth`` is below 0, or the output does not depend on the input. What the block itself
            raises on an input that it does not take is raised as it is.

    Example:
        >>> from practicezoo import InceptionA
        >>> ax = draw_block(InceptionA(10), (1, 10, 12, 12))
        >>> [text.get_text().splitlines() for text in ax.texts][-1]
        ['concatenate', '88 x 12 x 12']
        >>> ax.figure.savefig("inception.svg")  # doctest: +SKIP
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth must be at least 0, or None for all levels, got {depth}")
    ax = new_canvas()
    graph = record_calls(block, inputs, depth=depth)
    texts = {node: new_text(ax, _caption(graph, node)) for node in graph}
    sizes = {node: size_of(text) for node, text in texts.items()}
    width = max(width for width, _ in sizes.values()) + 2 * PADDING
    heights = {node: height + 2 * PADDING for node, (_, height) in sizes.items()}
    # arranged from left to right, then turned: x goes down the page
    turned = {node: Block((height, width), ()) for node, height in heights.items()}
    arrangement = arrange(find_layers(graph), turned, {}, gap=GAP, row_height=width + SIDE_GAP)
    for node, text in texts.items():
        center = _turn(arrangement.nodes[node])
        text.set_position(center)
        is_output = node in graph.graph["outputs"]
        size = width, heights[node]
        draw_box(ax, center, size, _fill(graph, node), rounding=ROUNDING, is_output=is_output)
    draw_edges(ax, arrangement.curves.values(), place=_turn)
    x0, y0, x1, y1 = arrangement.bounds
    fit_canvas(ax, Rectangle(*_turn((x1, y1)), *_turn((x0, y0))))
    return ax


def _turn(point: Point) -> Point:
    return -point[1], -point[0]


def _caption(graph: "nx.DiGraph", node: str) -> str:
    """What is computed, and the shape of a sample's output where it is news."""
    data = graph.nodes[node]
    before = {graph.nodes[source]["shape"] for source in graph.predecessors(node)}
    is_end = data["weighs"] is None or node in graph.graph["outputs"]
    if is_end or data["weighs"] or before != {data["shape"]}:
        return f"{data['label']}\n{' x '.join(map(str, data['shape'][1:]))}".rstrip()
    return str(data["label"])


def _fill(graph: "nx.DiGraph", node: str) -> str:
    return {None: END, True: WEIGHTS, False: OTHER}[graph.nodes[node]["weighs"]]
