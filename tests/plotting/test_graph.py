"""Pictures of graphs show the numbers of the graph, and no text hides another."""

import random
import runpy
import sys
from pathlib import Path

import networkx as nx
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch

from practicezoo.graph import trace
from practicezoo.plotting import draw_graph
from support.figures import outside, overlapping

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = runpy.run_path(str(DOCS / "examples" / "graphs.py"))["PICTURES"]


def scalar(value):
    return torch.tensor(float(value), requires_grad=True)


def two_paths():
    a, b = scalar(3), scalar(1)
    c = a + b
    return trace(c * (b + 1), {"a": a, "b": b, "c": c})


def strings(ax):
    return sorted(text.get_text() for text in ax.texts)


def random_graph(seed):
    """Of 10 to 15 nodes, wide or deep, with long edges and long numbers."""
    chance = random.Random(seed)  # noqa: S311
    graph = ()
    while not 10 <= len(graph) <= 15:
        results = [scalar(chance.uniform(-2, 2)) for _ in range(chance.randint(1, 4))]
        for _ in range(chance.randint(5, 12)):
            left, right = chance.choice(results[-4:]), chance.choice(results)
            steps = (left + right, left * right, left - right, torch.tanh(left), torch.exp(left), 1e-7 * left)
            results.append(chance.choice(steps))
        output = results[-1] + results[len(results) // 2]
        graph = trace(output, {"last": results[-1], "output": output} if chance.random() < 0.5 else {})
    return graph


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("backward", [True, False])
def test_texts_of_the_guides_pictures_do_not_overlap(name, backward):
    ax = draw_graph(PICTURES[name](), backward=backward)
    assert overlapping(ax) == []
    assert outside(ax) == []


def test_the_guide_shows_the_pictures():
    guide = (DOCS / "graphs.md").read_text(encoding="utf-8")
    for name in PICTURES:
        assert f"images/{name}.png" in guide
        assert (DOCS / "images" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("seed", range(12))
def test_texts_of_random_graphs_do_not_overlap(seed):
    graph = random_graph(seed)
    ax = draw_graph(graph)
    assert len(ax.texts) == 3 * len(graph) + graph.number_of_edges()
    assert overlapping(ax) == []
    assert outside(ax) == []


def test_fifteen_nodes_in_a_row_or_all_into_one():
    x = scalar(1)
    chain = x
    for _ in range(7):
        chain = torch.tanh(torch.exp(-chain)) if _ < 6 else torch.exp(-chain)
    for output in (chain, torch.stack([scalar(1e-5 * i) for i in range(13)]).sum()):
        graph = trace(output, {})
        assert len(graph) >= 15
        assert overlapping(draw_graph(graph)) == []


def test_layers_go_from_left_to_right():
    graph = two_paths()
    ax = draw_graph(graph)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    boxes = [text for text in ax.texts if text.get_text() in {"a", "b", "+", "×"}]  # noqa: RUF001
    columns = sorted({round(text.get_position()[0], 6) for text in boxes})
    assert len(columns) == 3
    assert places["a"][0] == pytest.approx(columns[0]) == places["b"][0]
    assert places["×"][0] == pytest.approx(columns[2])  # noqa: RUF001
    assert places["c = 4"][0] == pytest.approx(columns[1])


def test_values_derivatives_and_gradients_are_shown():
    ax = draw_graph(two_paths())
    assert isinstance(ax, Axes)
    boxes, values = ["a", "b", "+", "+", "×"], ["3", "1", "c = 4", "2", "8"]  # noqa: RUF001
    gradients, derivatives = ["∇ 2", "∇ 6", "∇ 2", "∇ 4", "∇ 1"], ["1", "1", "1", "2", "4"]
    assert strings(ax) == sorted(boxes + values + gradients + derivatives)
    colors = {to_rgb(text.get_color()) for text in ax.texts if text.get_text().startswith("∇")}
    others = {to_rgb(text.get_color()) for text in ax.texts if not text.get_text().startswith("∇")}
    assert len(colors) == len(others) == 1
    assert colors != others
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 5


def test_values_stand_under_their_boxes_and_derivatives_on_their_edges():
    graph = PICTURES["graph_regression_step"]()
    ax = draw_graph(graph)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    for box, value in {"−": "r = 1", "pow": "loss = 1", "+": "ŷ = 3"}.items():  # noqa: RUF001
        assert places[box][0] == places[value][0]
        assert places[box][1] > places[value][1] > places[box][1] - 0.5
    x, _ = places["-1"]
    assert places["y"][0] < x < places["−"][0]  # noqa: RUF001


def test_the_forward_pass_alone():
    ax = draw_graph(two_paths(), backward=False)
    assert strings(ax) == sorted(["a", "b", "+", "+", "×", "3", "1", "c = 4", "2", "8"])  # noqa: RUF001


def test_tensors_show_shapes_constants_nothing_and_unknown_values_a_question_mark():
    x, shift = torch.ones(3), scalar(0).detach()
    w, b = torch.ones(2, 3, requires_grad=True), scalar(1)
    h = w @ x
    graph = trace(h.sum() + (b + shift), {"x": x, "w": w, "b": b, "h": h})
    texts = strings(draw_graph(graph))
    assert {"(3,)", "(2, 3)", "h (2,)", "∇ (2, 3)", "(2, 2, 3)", "?"} <= set(texts)
    assert texts.count("(2,)") == 1, "the Jacobian of the sum"
    assert sum(text.startswith("∇") for text in texts) == len(graph) - 1, "a constant has none"


def test_a_dollar_sign_is_no_formula():
    price = scalar(2)
    ax = draw_graph(trace(price * 3, {"$price_$": price}))
    ax.figure.canvas.draw()
    assert "$price_$" in strings(ax)


def test_pyplot_is_left_alone():
    before = plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)
    draw_graph(two_paths())
    assert (plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)) == before


def test_a_large_graph_is_drawn():
    x = scalar(1)
    h = x
    for _ in range(10):
        h = torch.tanh(h) + x
    assert overlapping(draw_graph(trace(h, {"x": x}))) == []


def test_no_graph():
    with pytest.raises(TypeError, match=r"graph must be a networkx.DiGraph, got Tensor"):
        draw_graph(torch.ones(1))
    with pytest.raises(ValueError, match="graph must have at least one node to draw, got none"):
        draw_graph(nx.DiGraph())
    with pytest.raises(
        ValueError, match=r"must come from practicezoo.graph.trace, but 'a' lacks gradient, kind"
    ):
        draw_graph(nx.DiGraph([("a", "b")]))
    graph = two_paths()
    del graph.edges["b", "c"]["derivative"]
    with pytest.raises(ValueError, match=r"but \('b', 'c'\) lacks derivative"):
        draw_graph(graph)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plotting needs matplotlib: pip install "practicezoo\[plot\]"'):
        draw_graph(two_paths())
