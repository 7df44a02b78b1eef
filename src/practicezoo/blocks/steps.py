"""Sequences in any of their forms as one tensor with zeros at padding, and back."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from practicezoo.blocks.checks import check_shape, is_traced
from practicezoo.blocks.padded import is_exporting, padding_mask
from practicezoo.blocks.recurrent import Sequences
from practicezoo.sequences import PaddedSequence, are_kept_padded

__all__ = ["Padding", "as_padded", "fold", "hide", "real_places", "unfold", "with_lengths"]


class Padding(NamedTuple):
    """Where the padding of a batch is.

    Attributes:
        mask: true at padding, ``(N, T)``.
        real: places of the real steps among all ``N * T``; None in a graph, where their number would be a
            size that depends on values.
    """

    mask: Tensor
    real: Tensor | None


def unfold(module: nn.Module, inputs: Sequences, num_features: int) -> tuple[Tensor, Padding | None]:
    """The steps of a module's input as one tensor, and where padding is.

    Args:
        module: whose input it is, for messages.
        inputs: a tensor (every step counts), a PaddedSequence or a PackedSequence.
        num_features: values at each step.

    Returns:
        The data ``(N, T, num_features)``, zero at padding whatever stood there, and where padding is; None
        where every step counts.

    Raises:
        TypeError: if the input is of another class or not floating point, or its lengths are no int64
            tensor on the CPU.
        ValueError: if its shape is another, or a length lies outside ``[1, T]``.
    """
    inputs = as_padded(inputs)
    data = inputs.data if isinstance(inputs, PaddedSequence) else inputs
    check_shape(module, data, ("N", "T", num_features), floating=True)
    if not is_traced(data) and data.shape[1] == 0:
        raise ValueError(
            f"{type(module).__name__} expects T >= 1 steps, got inputs of shape {(*data.shape,)}"
        )
    if not isinstance(inputs, PaddedSequence):
        return data, None
    padding = _padding(inputs)
    return hide(data, padding), padding


def hide(steps: Tensor, padding: Padding | None, *, dim: int = 1) -> Tensor:
    """Sequences of vectors with zeros at padding; ``dim`` says where their steps are, 1 or 2."""
    return steps if padding is None else steps.masked_fill(padding.mask.unsqueeze(3 - dim), 0)


def fold(inputs: Sequences, outputs: Tensor) -> Sequences:
    """What was computed of :func:`unfold`'s data, ``(N, T, ...)``, in the form of the input."""
    if isinstance(inputs, PaddedSequence):
        return PaddedSequence(outputs, inputs.lengths)
    if not isinstance(inputs, PackedSequence):
        return outputs
    order = inputs.sorted_indices
    sorted_outputs = outputs if order is None else outputs[order]
    lengths = (torch.arange(len(outputs), device="cpu")[:, None] < inputs.batch_sizes).sum(dim=1)
    packed = pack_padded_sequence(sorted_outputs, lengths, batch_first=True)
    return PackedSequence(packed.data, inputs.batch_sizes, order, inputs.unsorted_indices)


def as_padded(inputs: Sequences) -> Tensor | PaddedSequence:
    """Packed sequences padded to the longest of them, in the caller's order; others as they are."""
    if isinstance(inputs, PackedSequence):
        return PaddedSequence(*pad_packed_sequence(inputs, batch_first=True))
    return inputs


def with_lengths(inputs: Sequences, lengths: Tensor) -> PaddedSequence:
    """A tensor and its lengths as a PaddedSequence.

    Raises:
        TypeError: if the input is no tensor: then it has lengths of its own; or if ``torch.fx`` traces.
    """
    if is_traced(lengths):
        raise TypeError('lengths cannot be traced by torch.fx: give it concrete_args={"lengths": None}')
    if not isinstance(inputs, Tensor):
        raise TypeError(f"lengths go with a tensor; {type(inputs).__name__} has its own")
    moved = isinstance(lengths, Tensor) and lengths.device == inputs.device and not lengths.is_meta
    if moved and not (is_exporting() or are_kept_padded()):
        lengths = lengths.cpu()  # a batch's plain tuple (inputs, lengths) moves to the GPU as a whole
    return PaddedSequence(inputs, lengths)


def _padding(inputs: PaddedSequence) -> Padding:
    """Where padding is, on the data's device, found on the CPU: no step waits for a GPU."""
    data, lengths = inputs
    num_steps = data.shape[1]
    if is_exporting():  # a graph checks no values, but a lookup refuses lengths beyond its table
        table = torch.ones(num_steps, num_steps, device=data.device).tril()  # row 0: one real step
        wrong_is_beyond = lengths.masked_fill(lengths < 1, num_steps + 1)
        return Padding(F.embedding(wrong_is_beyond.to(data.device) - 1, table) == 0, None)
    if are_kept_padded():
        return Padding(padding_mask(inputs), None)
    inputs.check()
    mask = torch.arange(num_steps, device="cpu") >= lengths[:, None]
    return Padding(*(each.to(data.device, non_blocking=True) for each in (mask, real_places(mask))))


def real_places(mask: Tensor) -> Tensor:
    """The places in a mask of padding that are no padding, all sequences one behind the other."""
    return mask.logical_not().flatten().nonzero().flatten()
