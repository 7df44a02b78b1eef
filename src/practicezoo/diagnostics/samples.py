"""Samples of a batch, by their rows."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["first_samples", "take"]


def take(data: Any, rows: Tensor, *, of: int) -> Any:
    """The samples at ``rows``, in that order, of a batch of ``of`` samples; untrimmed, if they are padded.

    Raises:
        ValueError: if something in the batch does not have one row for each sample.
    """
    if isinstance(data, Tensor) and data.ndim and len(data) == of:
        return data[rows.to(data.device)]
    if isinstance(data, dict):
        return {name: take(value, rows, of=of) for name, value in data.items()}
    if isinstance(data, tuple | list) and not isinstance(data, PackedSequence):
        parts = [take(value, rows, of=of) for value in data]
        return type(data)(*parts) if hasattr(data, "_fields") else type(data)(parts)
    raise ValueError(f"a batch must have one row for each of {of} samples, got {type(data).__name__}")


def first_samples(data: Any, count: int, *, of: int) -> Any:
    """The first samples of a batch."""
    return take(data, torch.arange(min(count, of)), of=of)
