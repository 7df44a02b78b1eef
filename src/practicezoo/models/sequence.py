"""Base of the networks that classify sequences of vectors: an encoder, pooling over real steps, a head."""

import copy
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_choice, check_count, check_fraction
from practicezoo.blocks.recurrent import Encoded, Sequences
from practicezoo.blocks.steps import Padding, as_padded, hide, unfold, with_lengths
from practicezoo.models.classifier import Classifier
from practicezoo.sequences import PaddedSequence

__all__ = ["Pooling", "SequenceClassifier"]

Pooling: TypeAlias = Literal["mean", "last"]


class SequenceClassifier(Classifier):
    """An encoder of sequences, and a linear head that reads the mean over real steps or the last of them.

    The logits of a sequence depend on that sequence alone, if its encoder's outputs do: not on its batch, its
    padding, or the form in which the batch comes. The size of the head's input is derived by running the
    encoder once, on zeros.

    Args:
        encoder: module from sequences to a vector for each step, in the form of its input: a
            :class:`~practicezoo.TemporalConvBlock` or several in an ``nn.Sequential``, or a
            :class:`~practicezoo.SequenceEncoder`.
        in_channels: values at each step.
        num_classes: classes.
        pooling: what the head reads: "mean", of the outputs of all real steps, or "last", the output of the
            last real step, of a :class:`~practicezoo.SequenceEncoder` its final state.
        dropout: dropout probability of what the head reads.
        device: where the head's parameters live.
        dtype: type of the head's parameters.

    Shape:
        - inputs: ``(N, T, in_channels)`` as a :class:`PaddedSequence`, a PackedSequence, or a tensor (then
          every step counts, unless ``lengths`` ``(N,)`` are given)
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``pooling`` is unknown, ``dropout`` is outside [0, 1), ``encoder``
            takes no sequences of ``in_channels`` values, or an input has the wrong shape or lengths.
        TypeError: if ``encoder`` is no module, an input is not floating point, or lengths come with an input
            that has its own.

    Example:
        >>> from practicezoo.blocks import SequenceEncoder
        >>> model = SequenceClassifier(SequenceEncoder(3, 16), in_channels=3, num_classes=5)
        >>> model(PaddedSequence(torch.randn(2, 9, 3), torch.tensor([9, 4]))).shape
        torch.Size([2, 5])

    Source: global average pooling over time: Wang, Yan and Oates, arXiv:1611.06455.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        in_channels: int = 1,
        num_classes: int = 10,
        pooling: Pooling = "mean",
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels, num_classes=num_classes)
        check_choice(("mean", "last"), pooling=pooling)
        check_fraction(dropout=dropout)
        if not isinstance(encoder, nn.Module):
            raise TypeError(f"encoder must be an nn.Module, got {encoder!r}")
        self.in_channels = in_channels
        self.pooling = pooling
        self.encoder = encoder
        self.dropout = dropout
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(self._count_features(), num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of a batch of sequences; see the class for shapes."""
        return self.head(self.drop(self.forward_features(inputs, lengths)))

    def forward_features(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """What the head reads, ``(N, head.in_features)``."""
        sequences = as_padded(inputs if lengths is None else with_lengths(inputs, lengths))
        steps, padding = unfold(self, sequences, self.in_channels)
        cleared = PaddedSequence(steps, sequences.lengths) if isinstance(sequences, PaddedSequence) else steps
        return self._pool(self.encoder(cleared), padding)

    def example_inputs(self) -> PaddedSequence:
        """A small batch that ``forward`` takes, of zeros."""
        return PaddedSequence(self.head.weight.new_zeros(2, 3, self.in_channels), torch.tensor([3, 2]))

    def _pool(self, encoded: Sequences | Encoded, padding: Padding | None) -> Tensor:
        if isinstance(encoded, Encoded):
            if self.pooling == "last":
                return encoded.final_state
            encoded = encoded.outputs
        sequences = as_padded(encoded)
        outputs = sequences.data if isinstance(sequences, PaddedSequence) else sequences
        if padding is None:
            return outputs.mean(dim=1) if self.pooling == "mean" else outputs[:, -1]
        num_steps = padding.mask.logical_not().sum(dim=1, keepdim=True)  # (N, 1)
        if self.pooling == "mean":
            return hide(outputs, padding).sum(dim=1) / num_steps
        last = (num_steps - 1).unsqueeze(-1).expand(-1, -1, outputs.shape[-1])
        return outputs.gather(1, last).squeeze(1)

    def _count_features(self) -> int:
        """How many values the head reads: the encoder runs on zeros, of which a norm may take statistics."""
        encoder = copy.deepcopy(self.encoder).eval()
        parameter = next(encoder.parameters(), torch.empty(0))
        try:
            with torch.no_grad():
                return self._pool(encoder(parameter.new_zeros(2, 2, self.in_channels)), None).shape[-1]
        except (RuntimeError, ValueError, TypeError) as error:
            raise ValueError(
                f"encoder must take sequences of in_channels={self.in_channels} values at each step, got "
                f"{type(self.encoder).__name__}: {error}"
            ) from error
