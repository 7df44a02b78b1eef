"""Collecting a model's outputs."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from practicezoo.batches import move_to, no_batch
from practicezoo.runtime.device import device_of
from practicezoo.runtime.precision import Precision, autocast, check_precision
from practicezoo.training.evaluation import evaluation_mode
from practicezoo.training.replica import without_exchange

__all__ = ["predict"]


def predict(model: nn.Module, loader: Iterable[Any], *, precision: Precision = "fp32") -> Any:
    """The model's outputs for all batches, in the loader's order, concatenated on the CPU.

    Over several processes each gets the outputs for its own shard.

    Args:
        model: any module; batches follow its device.
        loader: gives pairs of inputs and targets (targets are ignored), or inputs alone. A plain tuple or
            list of two is always taken for such a pair: give inputs of several parts as a dict or a
            named tuple.
        precision: "fp32", or "bf16" / "fp16" for autocast.

    Returns:
        A tensor ``(N, ...)``; for a model that returns tuples, named tuples or dicts, one of those
        with each part concatenated. Padded sequences are padded to the longest of all.

    Raises:
        ValueError: if the loader gives no batch, or ``precision`` is unknown.
        TypeError: if the model returns something that cannot be concatenated, such as a PackedSequence.

    Example:
        >>> predict(nn.Identity(), [(torch.zeros(2, 3), None), (torch.ones(1, 3), None)]).shape
        torch.Size([3, 3])
    """
    check_precision(precision)
    model = without_exchange(model)
    device = device_of(model)
    collected = []
    with evaluation_mode(model):
        for batch in loader:
            with autocast(device, precision):
                collected.append(move_to(model(move_to(_inputs(batch), device)), "cpu"))
    if not collected:
        raise no_batch()
    return _concatenate(collected)


def _inputs(batch: Any) -> Any:
    is_plain_sequence = isinstance(batch, tuple | list) and not hasattr(batch, "_fields")
    return batch[0] if is_plain_sequence and len(batch) in {1, 2} else batch


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
