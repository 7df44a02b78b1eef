"""Sequences that stay padded: which modules may see padding, and recurrent layers that do not go by it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.rnn import pad_packed_sequence

from practicezoo.blocks.checks import has_hooks
from practicezoo.sequences import PaddedSequence

__all__ = [
    "can_unpack",
    "check_asks_no_batch",
    "is_exporting",
    "is_row_wise",
    "mask_padding",
    "padding_mask",
    "run_padded",
    "run_unpacked",
]

LAYERS: dict[str, Callable[..., Any]] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}
MODES = {"RNN_TANH": LAYERS["rnn"], "GRU": LAYERS["gru"], "LSTM": LAYERS["lstm"]}
SCHEMA = (
    "(Tensor inputs, Tensor lengths, Tensor[] weights, *, str cell, bool bidirectional) -> (Tensor, Tensor)"
)

# compute each row of ``(rows, features)`` by itself, so that rows of padding change nothing
KNOWN = {
    *(nn.Sequential, nn.Identity, nn.Linear, nn.Dropout, nn.RNNCell, nn.GRUCell, nn.LSTMCell),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign),
}
NORMS = {nn.LayerNorm, nn.GroupNorm, nn.RMSNorm}


def is_exporting() -> bool:
    """Whether ``torch.export`` follows the code: a graph cannot pack, since sizes then depend on values."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def is_row_wise(module: nn.Module) -> bool:
    """Whether this is known of a module and of all in it; a class of somebody else's may do anything."""
    return all(map(_is_known, module.modules()))


def check_asks_no_batch(*modules: nn.Module) -> None:
    """Raise ValueError for a batch norm that would count padding in an exported graph."""
    for part in (part for module in modules for part in module.modules()):
        if isinstance(part, _BatchNorm) and _asks_batch(part):
            raise ValueError(
                "norm must have running statistics and be in evaluation mode to export with lengths, got "
                f"{part}: call eval()"
            )


def _is_known(module: nn.Module) -> bool:
    if type(module) is nn.Embedding:  # else what is looked up changes other rows, or their gradients
        return module.max_norm is None and not module.scale_grad_by_freq
    if type(module) in NORMS:  # with an eps of zero, rows of zeros have no gradient
        eps = getattr(module, "eps", None)
        return eps is None or eps > 0
    return type(module) in KNOWN or (type(module) is nn.BatchNorm1d and not _asks_batch(module))


def _asks_batch(norm: _BatchNorm) -> bool:
    return norm.training or norm.running_mean is None


def padding_mask(sequences: PaddedSequence) -> Tensor:
    """True behind each sequence's end, ``(N, T)``, on the data's device."""
    data, lengths = sequences.data, sequences.lengths.to(sequences.data.device)
    return torch.arange(data.shape[1], dtype=lengths.dtype, device=data.device) >= lengths.unsqueeze(1)


def mask_padding(sequences: PaddedSequence) -> Tensor:
    """The data with zeros behind each sequence's end."""
    data, behind = sequences.data, padding_mask(sequences)
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


def can_unpack(rnn: nn.Module) -> bool:
    """Whether :func:`run_unpacked` can stand in for a layer: torch's own, with all that it usually has."""
    return (
        isinstance(rnn, nn.RNNBase)
        and type(rnn) in {nn.RNN, nn.GRU, nn.LSTM}  # no subclass: parametrizations make one
        and (rnn.mode in MODES and rnn.bias and not rnn.proj_size)
        and not has_hooks(rnn)
    )


def run_unpacked(rnn: nn.RNNBase, inputs: PaddedSequence) -> tuple[Tensor, Tensor]:
    """What a recurrent layer of D directions computes of packed sequences, without packing them.

    Padding is computed as well: after the real steps, for the backward direction reads each sequence in the
    reverse order of its own. Values are the same up to rounding, where :func:`can_unpack` holds.

    Shape:
        - inputs: ``(N, T, input_size)``
        - outputs: ``(N, T, D * hidden_size)``, zero at padding
        - final state: ``(N, D * hidden_size)``
    """
    behind = padding_mask(inputs)
    features = inputs.data.masked_fill(behind.unsqueeze(2), 0)
    last = inputs.lengths.to(features.device).unsqueeze(1) - 1  # (N, 1)
    steps = torch.arange(features.shape[1], device=features.device)
    backward = torch.where(behind, steps, last - steps)
    all_weights, num_directions = rnn.all_weights, 1 + rnn.bidirectional
    for layer in range(rnn.num_layers):
        if layer > 0:
            features = F.dropout(features, rnn.dropout, rnn.training)
        ahead, *back = all_weights[layer * num_directions : (layer + 1) * num_directions]
        outputs = [_run_ahead(rnn, features, ahead)]
        final = [_take(outputs[0], last)]
        for weights in back:
            read = _run_ahead(rnn, _take(features, backward), weights)
            final.append(_take(read, last))
            outputs.append(_take(read, backward))
        features = torch.cat(outputs, dim=2)
    return features.masked_fill(behind.unsqueeze(2), 0), torch.cat(final, dim=2).squeeze(1)


def _run_ahead(rnn: nn.RNNBase, features: Tensor, weights: Sequence[Tensor]) -> Tensor:
    zeros = features.new_zeros(1, len(features), rnn.hidden_size)
    start: Any = [zeros, zeros] if rnn.mode == "LSTM" else zeros
    # biases, layers, dropout, training, two directions, batch first
    settings = (True, 1, 0.0, rnn.training, False, True)
    outputs: Tensor = MODES[rnn.mode](features, start, weights, *settings)[0]
    return outputs


def _take(features: Tensor, steps: Tensor) -> Tensor:
    """The steps ``(N, S)`` of features ``(N, T, E)``."""
    return features.gather(1, steps.unsqueeze(2).expand(-1, -1, features.shape[2]))
