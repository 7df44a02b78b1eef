"""Autograd's graph as data: nodes with values and gradients, edges with local derivatives."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from practicezoo.graph.autograd import (
    Vertex,
    backward,
    known_values,
    leaves_among,
    nodes_behind,
    saved_tensors,
    vertex_of,
)

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["trace"]

MAX_ELEMENTS = 16


def trace(output: Tensor, named: Mapping[str, Tensor]) -> "nx.DiGraph":
    """Turn the graph that autograd recorded behind ``output`` into one to look at.

    Nothing changes: no ``.grad``, no hook is called, and ``output.backward()`` works afterwards. Trace
    before the optimizer's step, which changes the parameters that the graph refers to.

    Args:
        output: a scalar, or a tensor of at most 16 elements; the gradients are those of their sum.
        named: names for its inputs, parameters and results in between; the rest is called after its
            operation ("mul", "mul_2"), or "input" or "parameter".

    Returns:
        The graph, from the inputs to the output. A tensor of one element stands in it as a number.

        - Nodes have ``kind`` ("input", "parameter", "constant" or "operation"), ``operation`` (such as "mul";
          None if there is none), ``shape``, ``value`` and ``gradient``. A value is known (else None) if the
          tensor is an input, named, or the output, if autograd saved it, or if it follows from known ones
          by simple arithmetic.
        - Edges have ``derivative``, a number, if both ends have one element; else it is None, and
          ``jacobian_shape`` is the shape of the result followed by that of the operand. If one operation
          uses a tensor twice (``x * x``) the edge has the sum of both derivatives.
        - ``graph.graph["output"]`` is the name of the output's node.

        Python numbers are no nodes. A named tensor that requires no gradient is a node of kind "constant",
        without gradient and derivatives, where autograd saved it: in ``x * w``, not in ``h - y``. Those that
        it saved nowhere are listed in ``graph.graph["left_out"]``; with ``requires_grad=True`` they are
        inputs like others.

    Raises:
        TypeError: if ``output`` or something in ``named`` is not a tensor, or a name is not a string.
        ValueError: if ``output`` has no graph, a freed one, or too many elements; if a named tensor is no
            part of the graph, or has two names.

    Example:
        >>> a, b, c = (torch.tensor(number, requires_grad=True) for number in (5.0, 3.0, 2.0))
        >>> u = b * c
        >>> graph = trace(3 * (a + u), {"a": a, "b": b, "c": c, "u": u})
        >>> graph.nodes["u"]["value"], graph.nodes["u"]["gradient"]
        (6.0, 3.0)
        >>> graph.edges["b", "u"]["derivative"]
        2.0

    Source:
        The course's first two lectures; C. Olah, "Calculus on computational graphs: backpropagation" (2015).
    """
    _check_output(output)
    _check_named(named)
    try:
        with torch.no_grad():
            return _graph(output, named)
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            raise ValueError(
                "output must have a graph whose tensors are as they were, but one was changed in place: "
                "trace before the optimizer's step"
            ) from error
        if "second time" not in str(error):
            raise
        raise ValueError(
            "output must have a graph that still holds its tensors, but a backward pass has freed it; "
            "trace before backward(), or call backward(retain_graph=True)"
        ) from error


def _graph(output: Tensor, named: Mapping[str, Tensor]) -> "nx.DiGraph":
    import networkx as nx

    root = Vertex(output.grad_fn, output.output_nr)
    nodes = nodes_behind(root.node)
    gradients, derivatives = backward(root, nodes)
    place = {node: -number for number, node in enumerate(nodes)}
    vertices = sorted(gradients, key=lambda vertex: (place[vertex.node], vertex.output_nr))
    dependencies = sorted(derivatives, key=lambda pair: (place[pair[1].node], pair[1].output_nr))
    named_vertices = _named_vertices(named, vertices)
    names = _names(vertices, named_vertices, taken=named)
    given = {root: output} | {vertex: named[name] for vertex, name in named_vertices.items()}
    values = known_values(vertices, given)
    users = _users_of_constants(named, vertices)

    left_out = tuple(name for name in users if not users[name])
    graph = nx.DiGraph(output=names[root], left_out=left_out)
    for name in named:
        if users.get(name):
            shape, value = tuple(named[name].shape), _plain(named[name])
            graph.add_node(name, kind="constant", operation=None, shape=shape, value=value, gradient=None)
    for vertex in vertices:
        graph.add_node(
            names[vertex],
            kind=_kind(vertex),
            operation=None if vertex.is_leaf else vertex.operation,
            shape=vertex.shape,
            value=_plain(values.get(vertex)),
            gradient=_plain(gradients[vertex]),
        )
    for child, vertex in dependencies:
        derivative, shape = _plain(derivatives[child, vertex]), vertex.shape + child.shape
        graph.add_edge(names[child], names[vertex], derivative=derivative, jacobian_shape=shape)
    for name in users:
        edges = [(name, names[vertex]) for vertex in users[name]]
        graph.add_edges_from(edges, derivative=None, jacobian_shape=None)
    return graph


def _named_vertices(named: Mapping[str, Tensor], vertices: list[Vertex]) -> dict[Vertex, str]:
    """Where the named tensors are that require gradients."""
    leaves, known = leaves_among(vertices), set(vertices)
    names = {}
    for name, tensor in named.items():
        if tensor.requires_grad:
            vertex = vertex_of(tensor, leaves)
            if vertex not in known:
                raise ValueError(
                    f"named[{name!r}] must be part of output's graph, but output does not depend on it"
                )
            names[vertex] = name
    return names


def _names(vertices: list[Vertex], named: dict[Vertex, str], *, taken: Iterable[str]) -> dict[Vertex, str]:
    """A name for every vertex: the given one, else that of its kind or operation with a number."""
    names, used = {}, set(taken)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))
    for vertex in vertices:
        if vertex in named:
            names[vertex] = named[vertex]
            continue
        first = _kind(vertex) if vertex.is_leaf else vertex.operation
        tries = (f"{first}_{number}" if number > 1 else first for number in numbers[first])
        names[vertex] = next(name for name in tries if name not in used)
    return names


def _users_of_constants(named: Mapping[str, Tensor], vertices: list[Vertex]) -> dict[str, list[Vertex]]:
    """For each named tensor that requires no gradient, the operations that saved it."""
    constants = {id(tensor): name for name, tensor in named.items() if not tensor.requires_grad}
    users: dict[str, list[Vertex]] = {name: [] for name in constants.values()}
    for vertex in vertices:
        for tensor in saved_tensors(vertex.node):
            if id(tensor) in constants:
                users[constants[id(tensor)]].append(vertex)
    return users


def _plain(tensor: Tensor | None) -> Any:
    """A number, or a tensor that later changes do not reach."""
    if tensor is None:
        return None
    return tensor.item() if tensor.numel() == 1 else tensor.detach().clone()


def _kind(vertex: Vertex) -> str:
    if not vertex.is_leaf:
        return "operation"
    return "parameter" if isinstance(vertex.node.variable, nn.Parameter) else "input"


def _check_output(output: Tensor) -> None:
    if not isinstance(output, Tensor):
        raise TypeError(f"output must be a tensor, got {type(output).__name__}")
    if output.grad_fn is None:
        found = "a leaf" if output.requires_grad else "one that requires no gradient"
        raise ValueError(
            f"output must be the result of operations on tensors that require gradients, got {found}"
        )
    if not 1 <= output.numel() <= MAX_ELEMENTS:
        raise ValueError(f"output must have 1 to {MAX_ELEMENTS} elements, got shape {tuple(output.shape)}")


def _check_named(named: Mapping[str, Tensor]) -> None:
    if not isinstance(named, Mapping):
        raise TypeError(f"named must map names to tensors, got {type(named).__name__}")
    first_names: dict[int, str] = {}
    for name, tensor in named.items():
        if not isinstance(name, str):
            raise TypeError(f"the keys of named must be strings, got {name!r}")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"named[{name!r}] must be a tensor, got {type(tensor).__name__}")
        if id(tensor) in first_names:
            raise ValueError(
                f"named must give each tensor one name, got {first_names[id(tensor)]!r} and {name!r} for one"
            )
        first_names[id(tensor)] = name
