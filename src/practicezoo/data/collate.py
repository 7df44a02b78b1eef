"""Batches of sequences that differ in length: padded, or packed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_sequence

from practicezoo.sequences import PaddedSequence

__all__ = ["IGNORED", "pack_collate", "pad_collate"]

IGNORED = -100  # torch's default for targets that do not count
LARGEST = torch.iinfo(torch.int64).max


def pad_collate(batch: Sequence[tuple[Any, Any]]) -> tuple[PaddedSequence, Tensor]:
    """Collate ``(sequence, target)`` samples into a padded batch, zeros behind each sequence.

    For ``DataLoader(collate_fn=pad_collate)``. The batch is as long as its longest sequence; targets
    keep the batch's order.

    Args:
        batch: samples, each a sequence ``(T, ...)`` (a tensor, an array or a list of numbers) and a target: a
            number, a tensor of one shape in all samples, or one value for each step ``(T,)``.

    Returns:
        The sequences with their lengths, and the targets as a tensor ``(N, ...)``; targets of steps are
        padded with -100, which losses leave out.

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
    sequences = [_as_tensor("sequences", sample[0], index) for index, sample in enumerate(batch)]
    shapes = [sequence.shape for sequence in sequences]
    for index, shape in enumerate(shapes):
        if not shape or not shape[0]:
            raise ValueError(f"sequences must have at least one step, got an empty one at index {index}")
    lengths = torch.tensor([shape[0] for shape in shapes], device="cpu")
    targets = [sample[1] for sample in batch]
    return PaddedSequence(pad_sequence(sequences, batch_first=True), lengths), _join(targets, sequences)


def _as_tensor(argument: str, value: Any, index: int) -> Tensor:
    try:
        return value if isinstance(value, Tensor) else torch.as_tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{argument} must be tensors, arrays or numbers, got {value!r:.60} at index {index}"
        ) from error


def _join(values: list[Any], sequences: list[Tensor]) -> Tensor:
    """The targets ``(N, ...)``; those of steps are padded as their sequences are."""
    if all(type(value) is int and abs(value) <= LARGEST for value in values):  # class indices: at once
        return torch.tensor(values, device="cpu")
    targets = [_as_tensor("targets", value, index) for index, value in enumerate(values)]
    if len({target.shape for target in targets}) == 1:
        return torch.stack(targets)
    for index, (target, sequence) in enumerate(zip(targets, sequences, strict=True)):
        if target.ndim == 0 or len(target) != len(sequence):
            raise ValueError(
                "targets must have one shape, or one value for each step of their sequence, got shape "
                f"{tuple(target.shape)} for {len(sequence)} steps at index {index}"
            )
    return pad_sequence(targets, batch_first=True, padding_value=IGNORED)


def pack_collate(batch: Sequence[tuple[Any, Any]]) -> tuple[PackedSequence, Tensor]:
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
