"""A table of a model's layers: output shapes, parameters, multiply-adds."""

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves, tree_map

from practicezoo.arguments import shorten
from practicezoo.batches import call_model, move_to, unwrap
from practicezoo.blocks.recurrent import map_steps

__all__ = ["LayerSummary", "ModelSummary", "model_summary"]


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a model.

    Attributes:
        name: where it is in the model, such as "features.0.conv.conv"; empty for the model itself.
        kind: its class.
        output_shape: shape of its (first) output; ``()`` if that is not a tensor.
        num_parameters: its own parameters.
        multiply_adds: products summed by its convolutions and matrix products.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class ModelSummary:
    """What :func:`model_summary` returns; ``str`` of it is the table.

    Attributes:
        layers: the layers in the order in which they ran.
        num_parameters: parameters of the whole model, each counted once.
        multiply_adds: those of the whole model, with what happens outside its layers.
    """

    layers: tuple[LayerSummary, ...]
    num_parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        rows = [("name", "layer", "output shape", "parameters", "multiply-adds")]
        rows += [
            (
                layer.name,
                layer.kind,
                str(layer.output_shape),
                f"{layer.num_parameters:,}",
                f"{layer.multiply_adds:,}",
            )
            for layer in self.layers
        ]
        rows.append(("total", "", "", f"{self.num_parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if place < 3 else cell.rjust(width)  # numbers to the right
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )

    def __repr__(self) -> str:
        return (
            f"ModelSummary({len(self.layers)} layers, {self.num_parameters:,} parameters, "
            f"{self.multiply_adds:,} multiply-adds)"
        )


def model_summary(model: nn.Module, inputs: Any, *, dtype: torch.dtype | None = None) -> ModelSummary:
    """Print a table of the model's layers, as they run on ``inputs``.

    A copy of the model runs: for a shape on the meta device, where nothing is computed, for example inputs
    on the CPU. Lazy modules of the copy take their sizes from the inputs.

    Args:
        model: any model.
        inputs: shape of its one input tensor, batch included; or example inputs as :func:`~practicezoo.fit`
            passes them: a tensor, a PaddedSequence or PackedSequence, a tuple of positional arguments,
            or a dict of keywords.
        dtype: type of an input that is given by its shape; default: int64 if the model begins with an
            embedding or has ``num_chars``, else that of its parameters.

    Returns:
        The table as data.

    Raises:
        TypeError: if ``inputs`` are neither a shape nor hold a tensor, or do not fit the model's ``forward``.
        ValueError: if ``dtype`` is given beside example inputs.

    Example:
        >>> from practicezoo.models import CNN
        >>> summary = model_summary(CNN(), (1, 1, 28, 28))  # doctest: +ELLIPSIS
        name                        layer      output shape     parameters  multiply-adds
        features.0.conv.conv        Conv2d     (1, 10, 24, 24)         260        144,000
        features.0.pool             MaxPool2d  (1, 10, 12, 12)           0              0
        ...
        total                                                        8,490        467,200
        >>> summary.num_parameters
        8490
    """
    from torch.utils.flop_counter import FlopCounterMode  # it imports triton

    shapes: dict[str, tuple[int, ...]] = {}

    def record(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        shapes[name] = _first_shape(output)

    model = unwrap(model)
    device, example = _example(model, inputs, dtype)
    copied = _copy_to(device, model).eval()
    for name, module in copied.named_modules():
        if _is_layer(module):
            module.register_forward_hook(partial(record, name))
    # fork_rng: lazy modules initialise their parameters
    with torch.no_grad(), torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
        call_model(copied, example)
    # two floating-point operations, a product and a sum, are one multiply-add
    counts = {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}
    root = type(model).__name__
    layers = tuple(
        LayerSummary(
            name,
            kind=type(copied.get_submodule(name)).__name__,
            output_shape=shape,
            num_parameters=sum(p.numel() for p in copied.get_submodule(name).parameters(recurse=False)),
            multiply_adds=counts.get(f"{root}.{name}" if name else root, 0),
        )
        for name, shape in shapes.items()
    )
    summary = ModelSummary(
        layers,
        num_parameters=sum(copied.get_parameter(name).numel() for name, _ in model.named_parameters()),
        multiply_adds=counts.get("Global", 0),
    )
    sys.stdout.write(f"{summary}\n")
    return summary


def _example(model: nn.Module, inputs: Any, dtype: torch.dtype | None) -> tuple[str, Any]:
    """The device to run on and what to run: where only a shape is known, nothing is computed."""
    if isinstance(inputs, list | tuple) and all(isinstance(size, Integral) for size in inputs):
        return "meta", torch.zeros(tuple(inputs), dtype=dtype or _input_dtype(model), device="meta")
    inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
    leaves = tree_leaves(inputs, is_leaf=_is_packed)
    if not any(isinstance(leaf, (Tensor, PackedSequence)) for leaf in leaves):
        raise TypeError(f"inputs must be a shape or hold the tensors of an example, got {shorten(inputs)}")
    if dtype is not None:
        raise ValueError(f"dtype goes with a shape, but inputs are an example of their own, got {dtype}")
    device = "meta" if any(p.device.type == "meta" for p in model.parameters()) else "cpu"
    copied = tree_map(_clone, inputs, is_leaf=_is_packed)
    return device, move_to(copied, device)


def _is_packed(value: Any) -> bool:
    return isinstance(value, PackedSequence)  # torch 2.6 does not know it as a pytree


def _clone(leaf: Any) -> Any:
    if isinstance(leaf, (Tensor, PackedSequence)):
        return map_steps(lambda tensor: tensor.detach().clone(), leaf)
    return leaf


def _copy_to(device: str, model: nn.Module) -> nn.Module:
    """A copy on that device, in which lazy modules are still lazy."""
    # deepcopy cannot copy lazy buffers, and moving lazy parameters to meta makes them plain ones
    memo: dict[int, Any] = {}
    for tensor in chain(model.parameters(), model.buffers()):
        if is_lazy(tensor):
            kind: Any = type(tensor)
            memo[id(tensor)] = kind(device=device, dtype=tensor.dtype)
    return copy.deepcopy(model, memo).to(device)


def _is_layer(module: nn.Module) -> bool:
    has_parameters = any(True for _ in module.parameters(recurse=False))
    has_children = any(True for _ in module.children())
    return has_parameters or not (has_children or isinstance(module, nn.Identity))


def _input_dtype(model: nn.Module) -> torch.dtype | None:
    if hasattr(model, "num_chars"):  # one-hot vectors are made of ids inside
        return torch.int64
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            return torch.int64 if isinstance(module, nn.Embedding) else parameter.dtype
    return None


def _first_shape(output: Any) -> tuple[int, ...]:
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return tuple(output.shape) if isinstance(output, Tensor) else ()
