"""What a module computes: the layers and functions that its forward pass calls, and what each reads."""

import copy
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from practicezoo.arguments import shorten
from practicezoo.plotting.wording import describe_function, describe_module

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Inputs", "record_calls"]

Inputs: TypeAlias = Tensor | tuple[Tensor, ...] | Sequence[int]
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def record_calls(block: nn.Module, inputs: Inputs, *, depth: int | None) -> "nx.DiGraph":
    """Run a copy of ``block`` in evaluation mode, and note each call that leads to its output.

    Args:
        block: whose calls.
        inputs: its input, several in a tuple, or the shape of one.
        depth: how many levels of modules are opened; ``None`` for all.

    Returns:
        A graph; each node has a ``label``, the ``shape`` of its output, batch included, and ``weighs``:
        whether it has weights, ``None`` for an input. The graph's ``outputs`` are the nodes that stand for
        what is returned.

    Raises:
        TypeError: if ``block`` is no module, or ``inputs`` are neither a tensor nor a shape.
        ValueError: if the output does not depend on the input.
    """
    if not isinstance(block, nn.Module):
        raise TypeError(f"block must be an nn.Module, got {type(block).__name__}")
    examples = _examples(block, inputs)
    copied = copy.deepcopy(block).cpu().eval()
    recorder = _Recorder(block, examples)
    is_layer = _is_torchs(copied) and not any(True for _ in copied.children())
    for module in {copied} if is_layer else set(_boxes(copied, depth)):
        recorder.attach(module)
    with torch.no_grad(), recorder:
        output = copied(*examples)
    return recorder.finished(output)


def _examples(block: nn.Module, inputs: Inputs) -> tuple[Tensor, ...]:
    """What the block is called with: copies, since it may change them in place."""
    tensors = (
        (inputs,) if isinstance(inputs, Tensor) else tuple(inputs) if isinstance(inputs, tuple | list) else ()
    )
    if tensors and all(isinstance(tensor, Tensor) for tensor in tensors):
        return tuple(tensor.detach().cpu().clone() for tensor in tensors)
    if not tensors or not all(isinstance(size, Integral) for size in tensors):
        raise TypeError(f"inputs must be a tensor, a tuple of tensors, or a shape, got {shorten(inputs)}")
    first = next((m for m in block.modules() if any(True for _ in m.parameters(recurse=False))), None)
    parameter = None if first is None else next(first.parameters())
    is_id = isinstance(first, nn.Embedding)
    dtype = torch.int64 if is_id else None if parameter is None else parameter.dtype
    return (torch.zeros(tensors, dtype=dtype),)


def _boxes(module: nn.Module, depth: int | None) -> Iterator[nn.Module]:
    """The modules below this one that are a box each: those without children, and those too deep to open."""
    for child in module.children():
        if type(child) in CONTAINERS:
            yield from _boxes(child, depth)
        elif depth == 0 or _is_torchs(child) or not any(True for _ in child.children()):
            yield child
        else:
            yield from _boxes(child, None if depth is None else depth - 1)


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


class _Recorder(TorchFunctionMode):
    """Knows which node made each tensor; what happens inside a box is not noted."""

    def __init__(self, block: nn.Module, examples: tuple[Tensor, ...]) -> None:
        import networkx as nx

        super().__init__()
        names = list(inspect.signature(block.forward).parameters)
        self.graph = nx.DiGraph()
        self.makers: dict[int, str] = {}
        for place, example in enumerate(examples):
            node = f"input {place}"
            name = names[place] if 1 < len(examples) <= len(names) else "input"
            self.graph.add_node(node, label=name, shape=tuple(example.shape), weighs=None)
            self.makers[id(example)] = node
        self.kept: list[Any] = list(examples)  # an id is unique only as long as its tensor lives
        self.num_open = 0
        self.numbers = itertools.count()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.num_open == 0 and (outputs := _tensors(result)):
            self.note(describe_function(func, args), (args, kwargs), outputs)
        return result

    def attach(self, module: nn.Module) -> None:
        """Note each call of this module as one."""

        def enter(*_: Any) -> None:
            self.num_open += 1

        def leave(called: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self.num_open -= 1
            if self.num_open == 0:
                weighs = any(parameter.ndim > 1 for parameter in called.parameters())
                self.note(describe_module(called), (args, kwargs), _tensors(output), weighs=weighs)

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave, with_kwargs=True)

    def note(self, label: str | None, inputs: Any, outputs: list[Tensor], *, weighs: bool = False) -> None:
        """A node that reads ``inputs`` and makes ``outputs``; without a label what it reads is passed on."""
        sources = list(dict.fromkeys(self.makers[id(t)] for t in _tensors(inputs) if id(t) in self.makers))
        if not sources:  # made of constants and parameters alone
            return
        node = sources[0]
        if label is not None:
            node = f"{next(self.numbers)}"
            self.graph.add_node(node, label=label, shape=tuple(outputs[0].shape), weighs=weighs)
            self.graph.add_edges_from((source, node) for source in sources)
        self.kept += outputs
        self.makers |= {id(output): node for output in outputs}

    def finished(self, output: Any) -> "nx.DiGraph":
        """The part of the graph that leads to the output."""
        import networkx as nx

        named = output._asdict() if hasattr(output, "_asdict") else {"output": output}
        firsts = {name: tensors[0] for name, part in named.items() if (tensors := _tensors(part))}
        ends = {name: self.makers[id(tensor)] for name, tensor in firsts.items() if id(tensor) in self.makers}
        if not ends:
            raise ValueError(
                "block must compute its output from its input, got one that does not depend on it"
            )
        needed = {node for end in ends.values() for node in (end, *nx.ancestors(self.graph, end))}
        graph = self.graph.subgraph(needed).copy()
        for name, node in ends.items():
            shape = tuple(firsts[name].shape)
            if len(ends) > 1 or shape != graph.nodes[node]["shape"]:  # a part of what the node makes
                graph.add_node(name, label=name, shape=shape, weighs=False)
                graph.add_edge(node, name)
                ends[name] = name
        graph.graph["outputs"] = set(ends.values())
        return graph


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
