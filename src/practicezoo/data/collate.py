"""Batches of sequences that differ in length: padded, or packed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_sequence

from practicezoo.sequences import PaddedSequence

__all__ = ["pack_collate", "pad_collate"]


def pad_collate(batch: Sequence[tuple[Tensor, Any]]) -> tuple[PaddedSequence, Tensor]:
    """Collate ``(sequence, target)`` samples into a padded batch, zeros behind each sequence.

    For ``DataLoader(collate_fn=pad_collate)``. The batch is as long as its longest sequence; targets
    keep the batch's order.

    Args:
        batch: samples, each a tensor ``(T, ...)`` and a target (a number or a tensor).

    Returns:
        The sequences with their lengths, and the targets as a tensor ``(N, ...)``.

    Raises:
        ValueError: if the batch is empty, or a sequence in it is (the message gives its index).

    Example:
        >>> inputs, targets = pad_collate([(torch.tensor([5, 6, 7]), 1), (torch.tensor([8]), 0)])
        >>> inputs.data
        tensor([[5, 6, 7],
                [8, 0, 0]])
        >>> inputs.lengths, targets
        (tensor([3, 1]), tensor([1, 0]))
    """
    if len(batch) == 0:
        raise ValueError("batch must hold at least one sample, got none")
    sequences = [sample[0] for sample in batch]
    for index, sequence in enumerate(sequences):
        if len(sequence) == 0:
            raise ValueError(f"sequences must have at least one step, got an empty one at index {index}")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    targets = [sample[1] for sample in batch]
    stacked = torch.stack(targets) if isinstance(targets[0], Tensor) else torch.tensor(targets)
    return PaddedSequence(pad_sequence(sequences, batch_first=True), lengths), stacked


def pack_collate(batch: Sequence[tuple[Tensor, Any]]) -> tuple[PackedSequence, Tensor]:
    """Collate ``(sequence, target)`` samples into a packed batch: no padding at all.

    As :func:`pad_collate`, in the form that ``torch.nn``'s recurrent layers read. The samples need
    no sorting: the packed sequence remembers the batch's order.

    Example:
        >>> inputs, targets = pack_collate([(torch.tensor([8]), 0), (torch.tensor([5, 6, 7]), 1)])
        >>> inputs.data, inputs.batch_sizes
        (tensor([5, 8, 6, 7]), tensor([2, 1, 1]))
        >>> targets
        tensor([0, 1])
    """
    padded, targets = pad_collate(batch)
    return padded.pack(), targets
