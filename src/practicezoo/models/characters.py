"""Inputs of the networks that read characters: ids in any of their forms."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from practicezoo.blocks.padded import check_asks_no_batch, is_exporting, is_row_wise, mask_padding
from practicezoo.blocks.recurrent import Sequences
from practicezoo.blocks.steps import with_lengths
from practicezoo.sequences import PaddedSequence, are_kept_padded

__all__ = ["check_ids", "example_ids", "without_padding"]


def without_padding(
    model: nn.Module, inputs: Sequences, lengths: Tensor | None, *, by: Sequence[nn.Module | None] = ()
) -> Sequences:
    """The ids of ``inputs`` without padding: packed, or a plain tensor whose positions all count.

    In a graph they stay padded: with zeros, whatever stood there.

    Args:
        model: whose inputs they are.
        inputs: ids in any form.
        lengths: those of a tensor, if it has any.
        by: what the model applies to the steps, for not everything may see padding.
    """
    if lengths is not None:
        inputs = with_lengths(inputs, lengths)
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
    if not isinstance(inputs, PaddedSequence):
        return inputs
    modules = [module for module in by if module is not None]
    if is_exporting():
        check_asks_no_batch(*modules)
    elif not (are_kept_padded() and all(map(is_row_wise, modules))):
        return inputs.pack() if len(inputs) > 0 else inputs.data  # of no sequences, nothing can be packed
    return _in_graph(inputs, model.num_chars)  # type: ignore[arg-type]


def _in_graph(inputs: PaddedSequence, num_chars: int) -> PaddedSequence:
    """The ids, zero at padding; negative ones, which ONNX counts from the end, made one beyond the table."""
    ids = inputs.data.masked_fill(inputs.data < 0, num_chars)
    return PaddedSequence(mask_padding(PaddedSequence(ids, inputs.lengths)), inputs.lengths)


def example_ids(model: nn.Module) -> PaddedSequence:
    """Two sequences of ids on the model's device, the shorter one padded."""
    device = next(model.parameters()).device
    return PaddedSequence(torch.zeros(2, 3, dtype=torch.int64, device=device), torch.tensor([3, 2]))


def check_ids(ids: Tensor, num_chars: int) -> None:
    """Raise the error of ids that are no integers or, on the CPU, lie outside ``[0, num_chars)``."""
    if ids.dtype not in {torch.int64, torch.int32}:
        raise TypeError(f"ids must be integers (int64 or int32), got {ids.dtype}")
    # reading a GPU's values would make every step wait for it; in a graph nothing can be read
    if (
        ids.device.type == "cpu"
        and ids.numel() > 0
        and not (torch.compiler.is_compiling() or are_kept_padded())
    ):
        low, high = (int(bound) for bound in ids.aminmax())
        if low < 0 or high >= num_chars:
            raise ValueError(f"ids must lie in [0, {num_chars}), got {low if low < 0 else high}")
