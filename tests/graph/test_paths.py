"""The sum over paths is autograd's gradient."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from practicezoo.graph import gradient_by_paths, trace

# each row of the course: the expression, its inputs, the gradients
COURSE = {
    "J = 3(a + bc)": (lambda a, b, c: 3 * (a + b * c), (5, 3, 2), (3, 6, 9)),
    "e = (a + b)(b + 1)": (lambda a, b: (a + b) * (b + 1), (3, 1), (2, 6)),
    "f = xw, dL/df = 5": (lambda x, w: 5 * (x * w), (2, 3), (15, 10)),
    "r = (xw - y)^2": (lambda w: (1 * w - 2) ** 2, (1,), (-2,)),
    "loss (xw - y)^2": (lambda w: (2 * w - 4) ** 2, (1,), (-8,)),
    "loss (xw + b - y)^2": (lambda w, b: (1 * w + b - 2) ** 2, (1, 2), (2, 2)),
    "loss of all four": (lambda x, y, w, b: (x * w + b - y) ** 2, (1, 2, 1, 2), (2, -2, 2, 2)),
}


def leaves(values, dtype=torch.float64):
    return {f"x{i}": torch.tensor(float(v), dtype=dtype, requires_grad=True) for i, v in enumerate(values)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", COURSE)
def test_every_example_of_the_course(name, dtype):
    function, values, expected = COURSE[name]
    named = leaves(values, dtype)
    output = function(*named.values())
    graph = trace(output, named)
    target = graph.graph["output"]
    assert tuple(gradient_by_paths(graph, source, target) for source in named) == expected
    assert tuple(graph.nodes[source]["gradient"] for source in named) == expected
    assert tuple(g.item() for g in torch.autograd.grad(output, list(named.values()))) == expected


OPERATIONS = {
    "+": lambda p, q: p + q,
    "-": lambda p, q: p - q,
    "*": lambda p, q: p * q,
    "/": lambda p, q: p / q,
    "**": lambda p, q: p**q,
    "** number": lambda p, _: p**3,
    "number -": lambda p, _: 2.5 - p,
    "number /": lambda p, _: 2.5 / p,
    "number **": lambda p, _: 2.5**p,
    "exp": lambda p, _: torch.exp(p),
    "log": lambda p, _: torch.log(p),
    "sin": lambda p, _: torch.sin(p),
    "tanh": lambda p, _: torch.tanh(p),
    "relu": lambda p, _: torch.relu(p),
    "sigmoid": lambda p, _: torch.sigmoid(p),
    "@": lambda p, q: (p.reshape(1, 1) @ q.reshape(1, 1)).reshape(()),
    "dot": lambda p, q: p.reshape(1) @ q.reshape(1),
}


@st.composite
def programs(draw):
    """Inputs and steps; a step takes any two values before it, so values are shared and paths branch."""
    values = draw(st.lists(st.floats(-3, 3, allow_nan=False), min_size=1, max_size=3))
    steps, num_values = [], len(values)
    for _ in range(draw(st.integers(1, 9))):
        # mostly recent values: deep rather than flat
        place = st.integers(max(0, num_values - 4), num_values - 1)
        operation, left, right = draw(st.sampled_from(sorted(OPERATIONS))), draw(place), draw(place)
        assume(operation != "/" or left != right)  # the slope of x / x is rounding and nothing else
        steps.append((operation, left, right))
        num_values += 1
    return values, steps


@settings(max_examples=200)
@given(program=programs())
def test_random_expressions(program):
    values, steps = program
    named = leaves(values)
    results = list(named.values())
    for operation, left, right in steps:
        results.append(OPERATIONS[operation](results[left], results[right]))
        assume(math.isfinite(results[-1].item()) and abs(results[-1].item()) < 1e6)
    output = results[-1]
    expected = torch.autograd.grad(output, results[:-1], retain_graph=True, allow_unused=True)
    used = {f"x{i}": t for i, (t, g) in enumerate(zip(results, expected, strict=False)) if g is not None}
    assume(all(math.isfinite(g.item()) for g in expected if g is not None))
    graph = trace(output, {**used, "output": output})
    absolute = graph.copy()
    for _, _, data in absolute.edges(data=True):
        data["derivative"] = abs(data["derivative"])
    for name, gradient in zip(used, [g for g in expected if g is not None], strict=True):
        by_paths = gradient_by_paths(graph, name, "output")
        # where paths cancel, rounding is that of the largest, in whichever order they are summed
        slack = 1e-12 * gradient_by_paths(absolute, name, "output")
        assume(math.isfinite(slack))
        assert by_paths == pytest.approx(gradient.item(), rel=1e-9, abs=slack)
        assert graph.nodes[name]["gradient"] == pytest.approx(gradient.item(), rel=1e-9, abs=slack)
        assert graph.nodes[name]["value"] == used[name].item()


def test_between_any_two_nodes():
    named = leaves([3, 1])
    a, b = named.values()
    c, d = a + b, b + 1
    graph = trace(torch.tanh(c * d), {"a": a, "b": b, "c": c, "d": d})
    assert gradient_by_paths(graph, "b", "c") == 1.0
    assert gradient_by_paths(graph, "b", "mul") == 6.0
    assert gradient_by_paths(graph, "mul", "mul") == 1.0
    assert gradient_by_paths(graph, "a", "d") == 0.0
    assert gradient_by_paths(graph, "mul", "a") == 0.0


def test_nodes_must_be_known():
    graph = trace(leaves([1])["x0"] * 2, {})
    with pytest.raises(ValueError, match="source must be a node of the graph, got 'q'; it has input, mul"):
        gradient_by_paths(graph, "q", "mul")
    with pytest.raises(ValueError, match="target must be a node of the graph, got 'q'"):
        gradient_by_paths(graph, "input", "q")


def test_a_jacobian_is_no_number():
    w = torch.ones(3, requires_grad=True)
    graph = trace((w * 2).sum() * 3, {"w": w})
    with pytest.raises(ValueError, match=r"'w' to 'mul' has a Jacobian of shape \(3, 3\)"):
        gradient_by_paths(graph, "w", "mul_2")
    assert gradient_by_paths(graph, "sum", "mul_2") == 3.0, "edges beside the way do not matter"


def test_a_constant_has_no_derivative():
    x = torch.tensor(2.0)
    graph = trace(x * leaves([1], torch.float32)["x0"], {"x": x})
    with pytest.raises(
        ValueError, match=r"every edge from 'x' to 'mul' must .* none: 'x' requires no gradient"
    ):
        gradient_by_paths(graph, "x", "mul")


def test_too_many_paths_are_counted_not_walked():
    x = leaves([0.1])["x0"]
    h = x
    for _ in range(30):
        h = h + torch.tanh(h)
    graph = trace(h, {"x": x, "h": h})
    with pytest.raises(ValueError, match="at most 100,000 paths from 'x' to 'h', got 1,073,741,824"):
        gradient_by_paths(graph, "x", "h")
    assert gradient_by_paths(graph, "add_20", "h") > 1
