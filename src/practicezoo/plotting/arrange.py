"""Where boxes, curves and labels of a layered graph stand, in inches, so that no two texts overlap."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from practicezoo.plotting.layers import Item, Layers

__all__ = ["Arrangement", "Block", "Curve", "Point", "Rectangle", "arrange"]

ROW_HEIGHT, GAP, CLEARANCE = 0.95, 0.55, 0.12
STRETCH, NUM_STRETCHES = 1.15, 12
PLACES_ON_A_CURVE = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
SAMPLES = tuple(step / 40 for step in range(41))

Point = tuple[float, float]
Edge = tuple[str, str]


class Rectangle(NamedTuple):
    """Left, bottom, right, top."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def around(cls, center: Point, width: float, height: float) -> "Rectangle":
        """The rectangle of that size with its center there."""
        x, y = center
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @property
    def center(self) -> Point:
        """The point in the middle."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def overlaps(self, other: "Rectangle") -> bool:
        """Whether the two share more than an edge."""
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1


class Curve(NamedTuple):
    """From one column to the next: a cubic that leaves and arrives horizontally."""

    start: Point
    end: Point

    @property
    def controls(self) -> tuple[Point, Point]:
        """The two points between the ends that the curve bends to."""
        middle = (self.start[0] + self.end[0]) / 2
        return (middle, self.start[1]), (middle, self.end[1])

    def at(self, t: float) -> Point:
        """The point at ``t`` between 0 (start) and 1 (end)."""
        weights = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        points = (self.start, *self.controls, self.end)
        x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1))
        return x, y


class Block(NamedTuple):
    """Sizes of a node: its box, and the lines of text under it."""

    box: tuple[float, float]
    lines: tuple[tuple[float, float], ...]

    @property
    def width(self) -> float:
        """Of the widest part."""
        return max(width for width, _ in (self.box, *self.lines))

    def line_centers(self, center: Point) -> list[Point]:
        """The centers of the lines under a box that is centered there."""
        y = center[1] - self.box[1] / 2
        centers = []
        for _, height in self.lines:
            centers.append((center[0], y - height / 2))
            y -= height
        return centers

    def rectangles(self, center: Point) -> list[Rectangle]:
        """The box and the lines under it."""
        lines = zip(self.line_centers(center), self.lines, strict=True)
        return [Rectangle.around(center, *self.box), *(Rectangle.around(at, *size) for at, size in lines)]


class Arrangement(NamedTuple):
    """What :func:`arrange` found."""

    nodes: dict[str, Point]
    curves: dict[Edge, list[Curve]]
    labels: dict[Edge, Point]
    bounds: Rectangle


def arrange(
    layers: Layers,
    blocks: Mapping[str, Block],
    labels: Mapping[Edge, tuple[float, float]],
    *,
    gap: float = GAP,
    row_height: float = ROW_HEIGHT,
) -> Arrangement:
    """Place everything; stretch the picture until every label has a place of its own.

    Args:
        layers: of the graph.
        blocks: sizes of each node.
        labels: sizes of the edges' labels.
        gap: between two columns without labels, in inches.
        row_height: from the center of a box to that of the one below, in inches.
    """
    gap += max((width for width, _ in labels.values()), default=0.0)
    stretch = 1.0
    for _ in range(NUM_STRETCHES):
        centers, half_widths = _centers(layers, blocks, gap * stretch, row_height * stretch)
        nodes = {node: centers[node] for node in blocks}
        obstacles = [r for node, block in blocks.items() for r in block.rectangles(nodes[node])]
        curves = _curves(layers, blocks, centers, half_widths)
        places, num_overlaps = _place_labels(curves, labels, obstacles)
        if num_overlaps == 0:
            break
        stretch *= STRETCH
    points = [curve.at(t) for pieces in curves.values() for curve in pieces for t in (0, 1)]
    corners = [*obstacles, *(Rectangle(*point, *point) for point in points)]
    x0s, y0s, x1s, y1s = zip(*corners, strict=True)
    return Arrangement(nodes, curves, places, Rectangle(min(x0s), min(y0s), max(x1s), max(y1s)))


def _centers(
    layers: Layers, blocks: Mapping[str, Block], gap: float, row_height: float
) -> tuple[dict[Item, Point], dict[Item, float]]:
    """The center of each item, and half the width of its column."""
    centers: dict[Item, Point] = {}
    half_widths: dict[Item, float] = {}
    x = 0.0
    for column in layers.columns:
        half = max(blocks[item].width for item in column if isinstance(item, str)) / 2
        for item in column:
            centers[item] = x + half, -layers.heights[item] * row_height
            half_widths[item] = half
        x += 2 * half + gap
    return centers, half_widths


def _curves(
    layers: Layers,
    blocks: Mapping[str, Block],
    centers: Mapping[Item, Point],
    half_widths: Mapping[Item, float],
) -> dict[Edge, list[Curve]]:
    """For each edge its way from box to box, in pieces from column to column."""

    def end(item: Item, side: int) -> Point:
        half = blocks[item].box[0] / 2 if isinstance(item, str) else half_widths[item]
        return centers[item][0] + side * half, centers[item][1]

    return {
        edge: [Curve(end(left, 1), end(right, -1)) for left, right in pairwise(route)]
        for edge, route in layers.routes.items()
    }


def _place_labels(
    curves: Mapping[Edge, list[Curve]],
    labels: Mapping[Edge, tuple[float, float]],
    obstacles: list[Rectangle],
) -> tuple[dict[Edge, Point], int]:
    """A point on its own curve for each label, and how many had to overlap something."""
    samples = sorted((*c.at(t), edge) for edge, pieces in curves.items() for c in pieces for t in SAMPLES)
    xs = [x for x, _, _ in samples]
    taken = list(obstacles)
    places: dict[Edge, Point] = {}
    num_overlaps = 0
    for edge, (width, height) in labels.items():
        candidates = []
        for curve in curves[edge]:
            for t in PLACES_ON_A_CURVE:
                rectangle = Rectangle.around(curve.at(t), width + CLEARANCE, height + CLEARANCE)
                overlaps = any(map(rectangle.overlaps, taken))
                near = samples[bisect_left(xs, rectangle.x0) : bisect_right(xs, rectangle.x1)]
                others = sum(other != edge and rectangle.y0 <= y <= rectangle.y1 for _, y, other in near)
                candidates.append((overlaps, others + abs(t - 0.5), rectangle))
        overlaps, _, rectangle = min(candidates)
        num_overlaps += overlaps
        places[edge] = rectangle.center
        taken.append(rectangle)
    return places, num_overlaps
