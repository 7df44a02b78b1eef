"""Collecting a model's outputs."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from practicezoo.batches import (
    ModelCall,
    check_loaders,
    check_model,
    is_plain_sequence,
    move_to,
    no_batch,
    num_items,
)
from practicezoo.runtime.device import device_of
from practicezoo.runtime.precision import Precision, autocast, check_precision
from practicezoo.training.evaluation import evaluation_mode
from practicezoo.training.replica import without_exchange

__all__ = ["predict"]

CPU = torch.device("cpu")


def predict(model: nn.Module, inputs_or_loader: Any, *, precision: Precision = "fp32") -> Any:
    """The model's outputs for one batch of inputs, or for all batches of a loader in its order, on the CPU.

    A tensor, named tuple (such as a PaddedSequence), PackedSequence or mapping is one batch of inputs; every
    other iterable is a loader. Over several processes each gets the outputs for its own shard.

    Args:
        model: any module; batches follow its device.
        inputs_or_loader: a batch of inputs; or a loader that gives pairs of inputs and targets (targets are
            ignored), or inputs alone. A plain tuple or list of two in a loader is always taken for such a
            pair: give inputs of several parts as a dict or a named tuple.
        precision: "fp32", or "bf16" / "fp16" for autocast.

    Returns:
        A tensor ``(N, ...)``; for a model that returns tuples, named tuples or dicts, one of those
        with each part concatenated. Padded sequences are padded to the longest of all.

    Raises:
        ValueError: if the loader gives no batch, an output does not have one row for each item, or
            ``precision`` is unknown.
        TypeError: if the model returns something that cannot be concatenated, such as a PackedSequence.

    Example:
        >>> predict(nn.Linear(3, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 2])
        >>> predict(nn.Identity(), [(torch.zeros(2, 3), None), (torch.ones(1, 3), None)]).shape
        torch.Size([3, 3])
    """
    check_model(model)
    check_precision(precision)
    call = ModelCall(without_exchange(model))
    device = device_of(model)
    collected = []
    with evaluation_mode(model):
        for inputs in _batches(inputs_or_loader):
            with autocast(device, precision):
                outputs = move_to(call(move_to(inputs, device)), CPU)
            _check_rows(outputs, _count(inputs))
            collected.append(outputs)
    if not collected:
        raise no_batch()
    return _concatenate(collected)


def _batches(inputs_or_loader: Any) -> Iterator[Any]:
    """The inputs of each batch."""
    is_named_tuple = isinstance(inputs_or_loader, tuple) and hasattr(inputs_or_loader, "_fields")
    if isinstance(inputs_or_loader, Tensor | Mapping) or is_named_tuple:
        yield inputs_or_loader
        return
    check_loaders(loader=inputs_or_loader)
    for batch in inputs_or_loader:
        yield _inputs(batch)


def _inputs(batch: Any) -> Any:
    if isinstance(batch, Mapping) and batch.keys() == {"inputs", "targets"}:
        return batch["inputs"]
    return batch[0] if is_plain_sequence(batch) and len(batch) in {1, 2} else batch


def _count(inputs: Any) -> int | None:
    """How many items the inputs are; None if that cannot be told."""
    try:
        return num_items(inputs)
    except (TypeError, ValueError):
        return None


def _check_rows(outputs: Any, count: int | None, where: str = "outputs") -> None:
    """Raise ValueError for a tensor that would be joined along another dimension than that of the items."""
    if isinstance(outputs, Tensor):
        if count is not None and (outputs.ndim == 0 or len(outputs) != count):
            raise ValueError(
                f"{where} must have one row for each of the batch's {count} items, got shape "
                f"{tuple(outputs.shape)}: return recurrent states as (N, ...), or leave them out"
            )
    elif isinstance(outputs, Mapping):
        for key, part in outputs.items():
            _check_rows(part, count, f"{where}[{key!r}]")
    elif isinstance(outputs, tuple | list) and not isinstance(outputs, PackedSequence):
        if hasattr(outputs, "lengths"):
            return
        for index, part in enumerate(outputs):
            _check_rows(part, count, f"{where}[{index}]")


def _concatenate(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    if isinstance(first, PackedSequence):
        raise TypeError("outputs must be tensors or padded sequences to be concatenated, got PackedSequence")
    if hasattr(first, "lengths") and hasattr(
        first, "data"
    ):  # padded sequences: T differs from batch to batch
        longest = max(part.data.shape[1] for part in parts)
        parts = [part._replace(data=_pad_steps(part.data, longest)) for part in parts]
    if isinstance(first, dict):
        return {key: _concatenate([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple | list):
        joined = [_concatenate(list(column)) for column in zip(*parts, strict=True)]
        return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
    raise TypeError(f"outputs must be tensors, or tuples, lists or dicts of them, got {type(first).__name__}")


def _pad_steps(data: Tensor, num_steps: int) -> Tensor:
    missing = data.new_zeros(data.shape[0], num_steps - data.shape[1], *data.shape[2:])
    return torch.cat([data, missing], dim=1)
