"""Recurrent layers over sequences of varying length."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from practicezoo.arguments import check_choice, check_count, check_fraction
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.fused_gru import can_fuse, is_table, run_fused
from practicezoo.blocks.padded import can_unpack, is_exporting, is_row_wise, run_padded, run_unpacked
from practicezoo.sequences import PaddedSequence, are_kept_padded

__all__ = ["Cell", "Encoded", "SequenceEncoder", "Sequences", "map_steps"]

Sequences: TypeAlias = Tensor | PaddedSequence | PackedSequence
Cell: TypeAlias = Literal["rnn", "gru", "lstm"]

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Encoded(NamedTuple):
    """What :class:`SequenceEncoder` returns.

    Attributes:
        outputs: the top layer's output at every step, in the form in which the input came.
        final_state: the top layer's last hidden state, directions joined, ``(N, out_features)``.
    """

    outputs: Sequences
    final_state: Tensor


class SequenceEncoder(nn.Module):
    """A recurrent layer whose result for a sequence depends on that sequence alone.

    Padding is never read: padded batches are packed on the way in and padded again on the way out. The
    final state joins the forward direction at the last real step with the backward direction at the
    first step. Parameters are those of torch's own layer, ``rnn``.

    With ``fused=True`` a GRU trains faster on the CPU, if the batch is padded or packed. Values and gradients
    are the same up to rounding; second derivatives and the transforms of ``torch.func`` are refused. Without
    gradients, on other devices, in half precision, in compiled graphs and while ``rnn`` has hooks, ``rnn``
    itself is called. The attribute may be set at any time.

    Args:
        input_size: features at each step.
        hidden_size: features of the hidden state, in each direction.
        num_layers: layers, one on top of the other.
        bidirectional: whether to read backward as well.
        cell: "rnn" (tanh), "gru" or "lstm".
        dropout: probability of dropout between the layers; needs two layers.
        fused: whether to train a GRU without calling ``rnn``, which is faster.
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_features: ``hidden_size``, twice that if bidirectional.

    Shape:
        - input: ``(N, T, input_size)`` as a tensor (every step counts), a :class:`PaddedSequence`, or
          a PackedSequence; with an embedding ids, without the last dimension
        - outputs: ``(N, T, out_features)`` in the form of the input; zeros at padding
        - final_state: ``(N, out_features)``

    Raises:
        ValueError: if a size is below 1, ``cell`` is unknown, ``dropout`` is outside [0, 1) or set
            with one layer, ``fused`` is set for another cell than "gru", or an input has the wrong shape or
            lengths.

    Example:
        >>> encoder = SequenceEncoder(3, 4, bidirectional=True)
        >>> batch = PaddedSequence(torch.randn(2, 5, 3), lengths=torch.tensor([5, 2]))
        >>> encoded = encoder(batch)
        >>> encoded.outputs.data.shape, encoded.final_state.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))

    Source: Cho et al., arXiv:1406.1078 (GRU); Hochreiter and Schmidhuber, 1997 (LSTM).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        cell: Cell = "gru",
        dropout: float = 0.0,
        fused: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_choice(CELLS, cell=cell)
        check_fraction(dropout=dropout)
        if dropout and num_layers == 1:
            raise ValueError(f"dropout acts between layers and needs num_layers >= 2, got dropout={dropout}")
        if fused and cell != "gru":
            raise ValueError(f"fused needs cell='gru', got cell={cell!r}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.cell = cell
        self.dropout = dropout
        self.fused = fused
        self.out_features = hidden_size * (1 + bidirectional)
        self.rnn = CELLS[cell](
            input_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            batch_first=True,
            device=device,
            dtype=dtype,
        )

    def forward(self, inputs: Sequences, embedding: nn.Embedding | None = None) -> Encoded:
        """Encode a batch of sequences, or of the features that ``embedding`` has for ids; see the class."""
        if isinstance(inputs, PaddedSequence):
            return self._encode_padded(inputs, embedding)
        fuses = self.fused and isinstance(inputs, PackedSequence) and can_fuse(self.rnn, inputs)
        if embedding is not None and not (fuses and is_table(embedding, inputs.data)):
            inputs, embedding = map_steps(embedding, inputs), None
        if isinstance(inputs, PackedSequence):
            features = inputs.data if embedding is None else embedding.weight
            check_shape(self, features, ("steps", self.input_size))
            outputs, state = (
                run_fused(cast("nn.GRU", self.rnn), inputs, embedding) if fuses else self.rnn(inputs)
            )
        else:
            check_shape(self, inputs, ("N", "T", self.input_size))
            outputs, state = self._run_dense(cast("Tensor", inputs))
        return Encoded(outputs, self._join_directions(state))

    def reset_parameters(self) -> None:
        """Initialise the parameters as torch's layer does."""
        self.rnn.reset_parameters()

    def _encode_padded(self, inputs: PaddedSequence, embedding: nn.Embedding | None) -> Encoded:
        stays = are_kept_padded() and can_unpack(self.rnn) and (embedding is None or is_row_wise(embedding))
        if stays or is_exporting():
            features = inputs if embedding is None else map_steps(embedding, inputs)
            return self._encode_in_graph(cast("PaddedSequence", features))
        if len(inputs) == 0:  # nothing to pack
            outputs, final_state = self(inputs.data, embedding)
            return Encoded(PaddedSequence(outputs, inputs.lengths), final_state)
        packed, final_state = self(inputs.pack(), embedding)
        outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=inputs.data.shape[1])
        return Encoded(PaddedSequence(outputs, inputs.lengths), final_state)

    def _encode_in_graph(self, inputs: PaddedSequence) -> Encoded:
        check_shape(self, inputs.data, ("N", "T", self.input_size))
        if not is_exporting():
            outputs, final_state = run_unpacked(self.rnn, inputs)
            return Encoded(PaddedSequence(outputs, inputs.lengths), final_state)
        if self.training and self.dropout:
            raise ValueError(f"dropout must be 0 to export in training mode, got {self.dropout}: call eval()")
        weights = [weight for layer in self.rnn.all_weights for weight in layer]
        outputs, final_state = run_padded(
            inputs.data,
            inputs.lengths,
            weights,
            cell=self.cell,
            bidirectional=self.bidirectional,
        )
        return Encoded(PaddedSequence(outputs, inputs.lengths), final_state)

    def _join_directions(self, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        hidden = state[0] if isinstance(state, tuple) else state  # an LSTM's cell state stays inside
        num_directions = 1 + self.bidirectional
        return torch.cat(hidden[-num_directions:].unbind(), dim=-1)  # (N, out_features)

    def _run_dense(self, inputs: Tensor) -> tuple[Tensor, Any]:
        if self.cell == "lstm" and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # oneDNN's LSTM has no bfloat16 kernel for processors without AVX-512
            with torch.autocast("cpu", enabled=False):
                return self.rnn(inputs.to(self.rnn.all_weights[0][0].dtype))
        return self.rnn(inputs)


def map_steps(function: Callable[[Tensor], Tensor], steps: Sequences) -> Sequences:
    """``function`` of every step's values, in the form in which they came."""
    if isinstance(steps, Tensor):
        return function(steps)
    if isinstance(steps, PaddedSequence):
        values = function(steps.data.flatten(0, 1))  # rows of steps, as those of packed sequences
        return PaddedSequence(values.unflatten(0, steps.data.shape[:2]), steps.lengths)
    # torch.compile loses the class in steps._replace
    return PackedSequence(
        function(steps.data), steps.batch_sizes, steps.sorted_indices, steps.unsorted_indices
    )
