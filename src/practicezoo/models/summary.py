"""A table of a model's layers: output shapes, parameters, multiply-adds."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

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


def model_summary(
    model: nn.Module, input_size: Sequence[int], *, dtype: torch.dtype | None = None
) -> ModelSummary:
    """Print a table of the model's layers, as they run on an input of ``input_size``.

    Nothing is computed: a copy of the model runs on the meta device, where tensors have only shapes.

    Args:
        model: any model of one input tensor.
        input_size: shape of the input, batch included.
        dtype: type of the input; default: int64 if the model begins with an embedding or has ``num_chars``,
            else that of its parameters.

    Returns:
        The table as data.

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

    copied = copy.deepcopy(model).to("meta").eval()
    for name, module in copied.named_modules():
        if _is_layer(module):
            module.register_forward_hook(partial(record, name))
    inputs = torch.zeros(*input_size, dtype=dtype or _input_dtype(model), device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copied(inputs)
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
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=counts.get("Global", 0),
    )
    sys.stdout.write(f"{summary}\n")
    return summary


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
