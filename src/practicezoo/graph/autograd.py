"""Reading autograd's graph: its operations, what they saved, and what they do to a gradient.

An operation of that graph is called as the function it is, outside autograd's engine. So nothing is
accumulated into ``.grad``, no hook runs, and no saved tensor is freed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

__all__ = ["Vertex", "backward", "known_values", "leaves_among", "nodes_behind", "saved_tensors", "vertex_of"]

# Operations whose result follows from their operands. An operand that requires no gradient has no vertex; a
# product saves it under the name given here, a sum does not.
FORWARD: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "AddBackward0": (lambda node, a, b: torch.add(a, b, alpha=node._saved_alpha), ("", "")),
    "SubBackward0": (lambda node, a, b: torch.sub(a, b, alpha=node._saved_alpha), ("", "")),
    "MulBackward0": (lambda _, a, b: torch.mul(a, b), ("_saved_self", "_saved_other")),
    "DivBackward0": (lambda _, a, b: torch.div(a, b), ("_saved_self", "_saved_other")),
    "MmBackward0": (lambda _, a, b: torch.mm(a, b), ("_saved_self", "_saved_mat2")),
    "MvBackward0": (lambda _, a, b: torch.mv(a, b), ("_saved_self", "_saved_vec")),
    "NegBackward0": (lambda _, a: torch.neg(a), ("",)),
    "TBackward0": (lambda _, a: torch.t(a), ("",)),
}


class Vertex(NamedTuple):
    """A tensor as autograd knows it: one output of an operation, or a leaf."""

    node: Any
    output_nr: int

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made it."""
        return self.node.name().endswith("AccumulateGrad")

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(self.node._input_metadata[self.output_nr].shape)

    @property
    def operation(self) -> str:
        """The operation's name in lower case: "mul" of MulBackward0, "log_softmax" of LogSoftmaxBackward0."""
        name = re.sub(r"Backward\d*$", "", self.node.name().rsplit("::", maxsplit=1)[-1])
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        return f"{name}[{self.output_nr}]" if len(self.node._input_metadata) > 1 else name

    def full(self, fill_value: float) -> Tensor:
        """A tensor of its shape, dtype and device, filled with one value."""
        like = self.node._input_metadata[self.output_nr]
        return torch.full(tuple(like.shape), fill_value, dtype=like.dtype, device=like.device)


class Backward(NamedTuple):
    """Gradients at every vertex, and the local derivative of every dependency (None if not a number)."""

    gradients: dict[Vertex, Tensor]
    derivatives: dict[tuple[Vertex, Vertex], Tensor | None]


def vertex_of(tensor: Tensor, leaves: dict[int, Vertex]) -> Vertex | None:
    """Where a tensor that requires gradients is in the graph; None if it is an unknown leaf."""
    return leaves.get(id(tensor)) if tensor.grad_fn is None else Vertex(tensor.grad_fn, tensor.output_nr)


def nodes_behind(root: Any) -> list[Any]:
    """Every node of autograd's graph, each one before the nodes that it depends on."""
    finished: dict[Any, None] = {}
    pending = [(root, False)]
    while pending:
        node, children_are_finished = pending.pop()
        if children_are_finished:
            finished[node] = None
        elif node not in finished:
            pending.append((node, True))
            pending += [(child, False) for child, _ in reversed(node.next_functions) if child is not None]
    return list(reversed(finished))


def saved_tensors(node: Any) -> Iterator[Tensor]:
    """The operands and results that a node keeps for the backward pass."""
    for name in dir(node):
        if name.startswith("_saved_") or name == "saved_tensors":
            yield from (item for item in _as_tuple(getattr(node, name)) if isinstance(item, Tensor))


def leaves_among(vertices: Iterable[Vertex]) -> dict[int, Vertex]:
    """The leaves by the identity of their tensors."""
    return {id(vertex.node.variable): vertex for vertex in vertices if vertex.is_leaf}


def known_values(vertices: list[Vertex], given: dict[Vertex, Tensor]) -> dict[Vertex, Tensor]:
    """Values that are given, a leaf's, saved by an operation, or follow from those by simple arithmetic.

    ``vertices`` come in forward order.
    """
    leaves = leaves_among(vertices)
    known = {vertex: vertex.node.variable for vertex in leaves.values()} | given
    for vertex in vertices:
        for tensor in saved_tensors(vertex.node):
            if tensor.grad_fn is not None:
                known.setdefault(Vertex(tensor.grad_fn, tensor.output_nr), tensor)
    for vertex in vertices:
        if vertex not in known and (value := _forward(vertex.node, known)) is not None:
            known[vertex] = value
    return known


def _forward(node: Any, known: dict[Vertex, Tensor]) -> Tensor | None:
    if node.name() not in FORWARD:
        return None
    function, saved_as = FORWARD[node.name()]
    operands = [
        getattr(node, name, None) if child is None else known.get(Vertex(child, output_nr))
        for (child, output_nr), name in zip(node.next_functions, saved_as, strict=True)
    ]
    return None if any(operand is None for operand in operands) else function(node, *operands)


def backward(root: Vertex, nodes: list[Any]) -> Backward:
    """The backward pass for the sum of the root's elements; ``nodes`` are those behind the root, in order."""
    gradients = {root: root.full(1.0)}
    derivatives: dict[tuple[Vertex, Vertex], Tensor | None] = {}
    for node in nodes:
        outputs = [Vertex(node, output_nr) for output_nr in range(len(node._input_metadata))]
        if outputs[0].is_leaf:
            continue
        zeros = [output.full(0.0) for output in outputs]
        upstream = [gradients.get(output, zero) for output, zero in zip(outputs, zeros, strict=True)]
        for child, gradient in _pull_back(node, upstream).items():
            gradients[child] = gradients[child] + gradient if child in gradients else gradient
        children = dict.fromkeys(Vertex(*edge) for edge in node.next_functions if edge[0] is not None)
        for output in filter(gradients.__contains__, outputs):
            unit = [*zeros]
            unit[output.output_nr] = output.full(1.0)
            local = _pull_back(node, unit) if zeros[output.output_nr].numel() == 1 else {}
            numbers = {child: derivative for child, derivative in local.items() if derivative.numel() == 1}
            derivatives |= {(child, output): numbers.get(child) for child in children}
    return Backward(gradients, derivatives)


def _pull_back(node: Any, upstream: list[Tensor]) -> dict[Vertex, Tensor]:
    """Turn gradients of a node's outputs into gradients of its inputs, summed if one is used twice."""
    children = node.next_functions
    if isinstance(
        node, BackwardCFunction
    ):  # a Function of one's own: a gradient for each argument, tensor or not
        results = _as_tuple(node.apply(*upstream))
        results = tuple(r for r, needed in zip(results, node.needs_input_grad, strict=True) if needed)
        children = [child for child in children if child[0] is not None]
    else:
        results = _as_tuple(node(*upstream))
    gradients: dict[Vertex, Tensor] = {}
    for (child, output_nr), result in zip(children, results, strict=True):
        if child is None:
            continue
        vertex = Vertex(child, output_nr)
        zeros = vertex.full(0.0)
        # as the engine does: undo broadcasting, return to the input's dtype
        gradient = zeros if result is None else result.to_dense().sum_to_size(zeros.shape).to(zeros.dtype)
        gradients[vertex] = gradients[vertex] + gradient if vertex in gradients else gradient
    return gradients


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
