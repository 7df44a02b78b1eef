"""Layers of a directed acyclic graph, left to right: which item is in which, and how high it stands.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981):
an edge over several layers gets an item of its own in each layer that it passes, so that nothing else
stands in its way; sweeps to and fro bring every item to the height of its neighbours.
"""

from collections import defaultdict
from collections.abc import Callable
from itertools import combinations, pairwise
from statistics import fmean, median_high, median_low
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Item", "Layers", "find_layers"]

NODE_HEIGHT, PASSING_HEIGHT = 1.0, 0.6
NUM_SWEEPS = 24

Item = str | tuple[str, str, int]


class Layers(NamedTuple):
    """Items are nodes, and ``(source, target, layer)`` where an edge passes a layer.

    Attributes:
        columns: the items of each layer.
        heights: the height of every item, in rows.
        routes: the items that each edge visits, ends included.
    """

    columns: list[list[Item]]
    heights: dict[Item, float]
    routes: dict[tuple[str, str], list[Item]]


def find_layers(graph: "nx.DiGraph") -> Layers:
    """Every node as far to the right as its users allow."""
    import networkx as nx

    place: dict[str, int] = {}
    for node in reversed(list(nx.topological_sort(graph))):
        place[node] = min((place[user] for user in graph.successors(node)), default=0) - 1
    first = min(place.values())
    columns: list[list[Item]] = [[] for _ in range(-first)]
    for node in sorted(graph, key=lambda node: graph.in_degree(node) == 0):  # results first: a straight spine
        columns[place[node] - first].append(node)
    routes: dict[tuple[str, str], list[Item]] = {}
    for source, target in graph.edges:
        between = range(place[source] - first + 1, place[target] - first)
        for number in between:
            columns[number].append((source, target, number))
        routes[source, target] = [source, *((source, target, number) for number in between), target]
    return Layers(columns, _settle(columns, routes), routes)


def _settle(columns: list[list[Item]], routes: dict[tuple[str, str], list[Item]]) -> dict[Item, float]:
    """Few crossings, then straight edges, few rows, the order given: the best of many sweeps."""
    layer_of = {item: number for number, column in enumerate(columns) for item in column}
    before: defaultdict[Item, list[Item]] = defaultdict(list)
    after: defaultdict[Item, list[Item]] = defaultdict(list)
    links: list[list[tuple[Item, Item]]] = [[] for _ in columns]
    for route in routes.values():
        for left, right in pairwise(route):
            before[right].append(left)
            after[left].append(right)
            links[layer_of[left]].append((left, right))

    heights: dict[Item, float] = {}
    for column in columns:
        heights |= _spread(column, dict.fromkeys(column, 0.0), fmean)
    best = heights
    # the mean finds an order; a median puts neighbours in one line
    for middle, opposite in ((fmean, fmean), (median_high, median_low), (median_low, median_high)):
        heights = best
        for sweep in range(NUM_SWEEPS):
            # to the right by the left neighbours, back by the right ones, and at last by both
            first, second = (before, after) if sweep % 2 == 0 else (after, before)
            for column in columns if sweep % 2 == 0 else reversed(columns):
                wanted = {}
                for item in column:
                    near = first[item] or second[item] or [item]
                    near = near if sweep < NUM_SWEEPS / 2 else first[item] + second[item] or [item]
                    wanted[item] = middle([heights[other] for other in near])
                heights = heights | _spread(column, wanted, opposite)
            mirrored = {item: -height for item, height in heights.items()}
            best = min(best, heights, mirrored, key=lambda candidate: _cost(candidate, links, columns))
    return best


def _spread(
    column: list[Item], wanted: dict[Item, float], middle: Callable[[list[float]], float]
) -> dict[Item, float]:
    """The wanted heights, moved apart until every item has room."""
    heights: dict[Item, float] = {}
    previous, room_before = float("-inf"), 0.0
    for item in sorted(column, key=wanted.__getitem__):
        room = (PASSING_HEIGHT if isinstance(item, tuple) else NODE_HEIGHT) / 2
        heights[item] = previous = max(wanted[item], previous + room_before + room)
        room_before = room
    shift = middle([wanted[item] - heights[item] for item in column])
    return {item: height + shift for item, height in heights.items()}


def _cost(
    heights: dict[Item, float], links: list[list[tuple[Item, Item]]], columns: list[list[Item]]
) -> tuple[float, ...]:
    num_crossings, bends = 0, 0.0
    for links_of_layer in links:
        ends = [(heights[left], heights[right]) for left, right in links_of_layer]
        num_crossings += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends, 2))
        bends += sum(abs(left - right) ** 0.5 for left, right in ends)  # one bent edge rather than two
    num_rows = max(heights.values()) - min(heights.values())
    swapped = sum(heights[a] > heights[b] for column in columns for a, b in combinations(column, 2))
    return num_crossings, round(bends, 6), round(num_rows, 6), swapped
