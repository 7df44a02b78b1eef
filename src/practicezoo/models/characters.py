"""What the networks that read characters share: taking in ids in any of their forms."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from practicezoo.blocks.recurrent import Sequences
from practicezoo.sequences import PaddedSequence

HeadFactory: TypeAlias = Callable[..., nn.Module]

__all__ = [
    "HeadFactory",
    "build_head",
    "check_ids",
    "classes_second",
    "map_steps",
    "one_hot",
    "without_padding",
]


def without_padding(model: nn.Module, inputs: Sequences, lengths: Tensor | None) -> Tensor | PackedSequence:
    """The ids of ``inputs`` without padding: packed, or a plain tensor whose positions all count."""
    if lengths is not None:
        if not isinstance(inputs, Tensor):
            raise TypeError(f"lengths go with a tensor; {type(inputs).__name__} has its own")
        inputs = PaddedSequence(inputs, lengths)
    if not isinstance(inputs, (Tensor, PaddedSequence, PackedSequence)):  # torch 2.6 exports no union here
        raise TypeError(
            f"inputs must be a tensor, PaddedSequence or PackedSequence, got {type(inputs).__name__}"
        )
    ids = inputs if isinstance(inputs, Tensor) else inputs.data
    expected = ("steps",) if isinstance(inputs, PackedSequence) else ("N", "T")
    if ids.ndim != len(expected) or (ids.shape[-1] == 0 and ids.shape[0] > 0):
        raise ValueError(
            f"{type(model).__name__} expects ids of shape ({', '.join(expected)}) with T >= 1, "
            f"got {tuple(ids.shape)}"
        )
    if isinstance(inputs, PaddedSequence):
        return inputs.pack() if len(inputs) > 0 else inputs.data  # of no sequences, nothing can be packed
    return inputs


def check_ids(ids: Tensor, num_chars: int) -> None:
    """Raise the error of ids that are no integers or, on the CPU, lie outside ``[0, num_chars)``."""
    if ids.dtype not in {torch.int64, torch.int32}:
        raise TypeError(f"ids must be integers (int64 or int32), got {ids.dtype}")
    # reading a GPU's values would make every step wait for it
    if ids.device.type == "cpu" and ids.numel() > 0 and not torch.compiler.is_compiling():
        low, high = (int(bound) for bound in ids.aminmax())
        if low < 0 or high >= num_chars:
            raise ValueError(f"ids must lie in [0, {num_chars}), got {low if low < 0 else high}")


def one_hot(ids: Tensor, num_chars: int, dtype: torch.dtype) -> Tensor:
    """A one at each id's place among zeros, ``(..., num_chars)``: torch's own gives integers only."""
    return (ids.unsqueeze(-1) == torch.arange(num_chars, device=ids.device)).to(dtype)


def map_steps(
    function: Callable[[Tensor], Tensor], steps: Tensor | PackedSequence
) -> Tensor | PackedSequence:
    """``function`` of every step's values, in the form in which they came."""
    if isinstance(steps, Tensor):
        return function(steps)
    # torch.compile loses the class in steps._replace
    return PackedSequence(
        function(steps.data), steps.batch_sizes, steps.sorted_indices, steps.unsorted_indices
    )


def build_head(
    head: HeadFactory | None,
    in_features: int,
    num_classes: int,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Module:
    """The layer from hidden state to logits; the identity for ``None``."""
    if head is None:
        if in_features != num_classes:
            raise ValueError(
                f"without a head the hidden state must have num_classes={num_classes} features, "
                f"got {in_features}"
            )
        return nn.Identity()
    if isinstance(head, nn.Module) or not callable(head):
        raise TypeError(f"head must be a class such as nn.Linear, got {head!r}")
    return head(in_features, num_classes, device=device, dtype=dtype)


def classes_second(logits: Tensor | PackedSequence, inputs: Sequences) -> Tensor:
    """Logits of real steps as ``(N, classes, T)``, padded to the input's own T."""
    if isinstance(logits, PackedSequence):
        num_steps = None if isinstance(inputs, PackedSequence) else inputs.data.shape[1]
        logits, _ = pad_packed_sequence(logits, batch_first=True, total_length=num_steps)
    return logits.transpose(1, 2)
