"""Micro-batches as the tensors that a graph takes, and back."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from practicezoo.sequences import PaddedSequence, keep_padded

__all__ = ["FlatBatches", "flatten"]


@dataclass(frozen=True)
class FlatBatches:
    """Micro-batches and their tensors.

    Attributes:
        given: the micro-batches.
        tensors: what they hold, the lengths of padded sequences on the device.
        structure: how they hold it.
        lengths: the lengths of padded sequences where they were, on the CPU.
        obstacle: what is wrong with lengths, which nobody would see on the device; None if nothing is.
    """

    given: Sequence[Any]
    tensors: list[Any]
    structure: TreeSpec
    lengths: list[Tensor]
    obstacle: str | None = None

    @property
    def layout(self) -> list[Any]:
        """Shape, strides and type of each tensor."""
        return [(tensor.shape, tensor.stride(), tensor.dtype) for tensor in self.tensors]

    def filled(self, tensors: Sequence[Tensor]) -> Any:
        """Micro-batches of the same structure that hold these tensors."""
        return tree_unflatten(list(tensors), self.structure)

    def keep_padded(self) -> AbstractContextManager[None]:
        """Within, their sequences are not packed."""
        return keep_padded() if self.lengths else nullcontext()


def flatten(micro_batches: Sequence[Any], device: torch.device) -> FlatBatches:
    """The tensors of micro-batches."""
    leaves, structure = tree_flatten(list(micro_batches), is_leaf=_has_lengths_to_move)
    sequences = [leaf for leaf in leaves if _has_lengths_to_move(leaf)]
    if not sequences:
        return FlatBatches(micro_batches, leaves, structure, [])
    moved = [_moved(leaf, device) if _has_lengths_to_move(leaf) else leaf for leaf in leaves]
    leaves, structure = tree_flatten(tree_unflatten(moved, structure))
    lengths = [each.lengths for each in sequences]
    obstacle = next(filter(None, map(_what_is_wrong, sequences)), None)
    return FlatBatches(micro_batches, leaves, structure, lengths, obstacle)


def _has_lengths_to_move(part: object) -> bool:
    """Whether this is a padded sequence; with lengths on the device it is a tuple of tensors like others."""
    if not isinstance(part, PaddedSequence):
        return False
    return isinstance(part.lengths, Tensor) and part.lengths.device.type == "cpu"


def _moved(sequences: PaddedSequence, device: torch.device) -> PaddedSequence:
    return PaddedSequence(sequences.data, sequences.lengths.to(device, non_blocking=True))


def _what_is_wrong(sequences: PaddedSequence) -> str | None:
    try:
        sequences.check()
    except (TypeError, ValueError) as error:
        return str(error)
    return None
