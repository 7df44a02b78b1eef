"""A recurrent layer over padded data: as one operator, which exported graphs keep whole, or by products."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_packed_sequence

from practicezoo.sequences import PaddedSequence, are_kept_padded

__all__ = ["is_exporting", "mask_padding", "run_padded", "run_unpacked", "stays_padded"]

LAYERS: dict[str, Callable[..., Any]] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}
SCHEMA = (
    "(Tensor inputs, Tensor lengths, Tensor[] weights, *, str cell, bool bidirectional) -> (Tensor, Tensor)"
)


def is_exporting() -> bool:
    """Whether ``torch.export`` follows the code: a graph cannot pack, since sizes then depend on values."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def stays_padded() -> bool:
    """Whether sequences may not be packed: in exported graphs and within ``keep_padded``."""
    return is_exporting() or are_kept_padded()


def mask_padding(sequences: PaddedSequence) -> Tensor:
    """The data with zeros behind each sequence's end."""
    data, lengths = sequences.data, sequences.lengths.to(sequences.data.device)
    steps = torch.arange(data.shape[1], dtype=lengths.dtype, device=data.device)
    behind = steps >= lengths.unsqueeze(1)  # (N, T)
    return data.masked_fill(behind.reshape(*behind.shape, *[1] * (data.ndim - 2)), 0)


@torch.library.custom_op("practicezoo::recurrent", mutates_args=(), schema=SCHEMA)
def run_padded(
    inputs: Tensor,
    lengths: Tensor,
    weights: list[Tensor],
    *,
    cell: str,
    bidirectional: bool,
) -> tuple[Tensor, Tensor]:
    """What torch's recurrent layer computes of the packed sequences, without dropout.

    Args:
        inputs: padded sequences.
        lengths: their lengths.
        weights: the layer's parameters, layer by layer and direction by direction.
        cell: "rnn", "gru" or "lstm".
        bidirectional: whether to read backward as well.

    Shape:
        - inputs: ``(N, T, input_size)``, and ``lengths`` ``(N,)``
        - outputs: ``(N, T, D * hidden_size)``, zero at padding, where D is 1, or 2 if bidirectional
        - final state: ``(N, D * hidden_size)``

    Raises:
        ValueError: if lengths lie outside ``[1, T]``.
    """
    num_directions = 1 + bidirectional
    num_layers = len(weights) // (4 * num_directions)  # two matrices and two biases each
    if len(inputs) == 0:  # nothing to pack
        return _empty_results(inputs, lengths, weights, bidirectional=bidirectional)
    packed = PaddedSequence(inputs, lengths.cpu()).pack()
    zeros = inputs.new_zeros(num_layers * num_directions, len(inputs), weights[1].shape[1])
    start: Any = [zeros, zeros] if cell == "lstm" else zeros
    settings = (True, num_layers, 0.0, False, bidirectional)  # biases, layers, dropout, training, directions
    data, hidden, *_ = LAYERS[cell](packed.data, packed.batch_sizes, start, weights, *settings)
    outputs, _ = pad_packed_sequence(
        packed._replace(data=data), batch_first=True, total_length=inputs.shape[1]
    )
    final_state = torch.cat(hidden[-num_directions:].unbind(), dim=-1)[packed.unsorted_indices]
    return outputs.contiguous(), final_state


@run_padded.register_fake
def _empty_results(
    inputs: Tensor, lengths: Tensor, weights: list[Tensor], *, bidirectional: bool, **_: Any
) -> tuple[Tensor, Tensor]:
    del lengths
    num_sequences, num_steps = inputs.shape[:2]
    num_features = weights[1].shape[1] * (1 + bidirectional)
    outputs = inputs.new_empty(num_sequences, num_steps, num_features)
    return outputs, inputs.new_empty(num_sequences, num_features)


def run_unpacked(rnn: nn.RNNBase, inputs: PaddedSequence, *, cell: str) -> tuple[Tensor, Tensor]:
    """What a recurrent layer of D directions computes of the sequences, without packing them.

    Backward steps are read in the reverse order of each sequence's own. What stands behind a sequence's end
    then comes after all its steps in both directions.

    Shape:
        - inputs: ``(N, T, input_size)``
        - outputs: ``(N, T, D * hidden_size)``, zero at padding
        - final state: ``(N, D * hidden_size)``
    """
    features = mask_padding(inputs)  # what is there is computed, too
    lengths = inputs.lengths.to(features.device).unsqueeze(1)  # (N, 1)
    steps = torch.arange(features.shape[1], device=features.device)
    backward = torch.where(steps < lengths, lengths - 1 - steps, steps)
    num_directions = 1 + rnn.bidirectional
    for layer in range(rnn.num_layers):
        if layer > 0:
            features = F.dropout(features, rnn.dropout, rnn.training)
        first = layer * num_directions
        ahead, *back = rnn.all_weights[first : first + num_directions]
        outputs = [_run_ahead(features, ahead, cell, training=rnn.training)]
        final = [_take(outputs[0], lengths - 1)]
        for weights in back:
            read = _run_ahead(_take(features, backward), weights, cell, training=rnn.training)
            final.append(_take(read, lengths - 1))
            outputs.append(_take(read, backward))
        features = torch.cat(outputs, dim=2)
    return mask_padding(PaddedSequence(features, inputs.lengths)), torch.cat(final, dim=2).squeeze(1)


def _run_ahead(features: Tensor, weights: Sequence[Tensor], cell: str, *, training: bool) -> Tensor:
    zeros = features.new_zeros(1, len(features), weights[1].shape[1])
    start: Any = [zeros, zeros] if cell == "lstm" else zeros
    # biases, layers, dropout, training, two directions, batch first
    settings = (True, 1, 0.0, training, False, True)
    with warnings.catch_warnings():  # cuDNN copies the weights of one direction together
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single")
        outputs: Tensor = LAYERS[cell](features, start, weights, *settings)[0]
    return outputs


def _take(features: Tensor, steps: Tensor) -> Tensor:
    """The steps ``(N, S)`` of features ``(N, T, E)``."""
    return features.gather(1, steps.unsqueeze(2).expand(-1, -1, features.shape[2]))
