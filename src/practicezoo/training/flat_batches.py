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
    """

    given: Sequence[Any]
    tensors: list[Any]
    structure: TreeSpec
    lengths: list[Tensor]

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
    """The tensors of micro-batches; raises the error of sequences that could not be packed."""
    leaves, structure = tree_flatten(list(micro_batches), is_leaf=_is_padded)
    lengths = [leaf.lengths for leaf in leaves if _is_padded(leaf)]
    if lengths:
        moved = [_with_lengths_on(device, leaf) if _is_padded(leaf) else leaf for leaf in leaves]
        leaves, structure = tree_flatten(tree_unflatten(moved, structure))
    return FlatBatches(micro_batches, leaves, structure, lengths)


def _is_padded(part: object) -> bool:
    return isinstance(part, PaddedSequence)


def _with_lengths_on(device: torch.device, sequences: PaddedSequence) -> PaddedSequence:
    sequences.check()  # on the device, nobody would see a wrong length
    return PaddedSequence(sequences.data, sequences.lengths.to(device, non_blocking=True))
