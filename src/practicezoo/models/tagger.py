"""Networks that classify every character of a text: the lesson that turns hello into ohlol."""

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from practicezoo.arguments import check_count
from practicezoo.blocks.padded import is_exporting, mask_padding
from practicezoo.blocks.recurrent import Cell, SequenceEncoder, Sequences, map_steps
from practicezoo.models.characters import check_ids, example_ids, without_padding
from practicezoo.sequences import PaddedSequence

__all__ = ["CharTagger", "HeadFactory", "build_head", "classes_second", "one_hot"]

HeadFactory: TypeAlias = Callable[..., nn.Module]


class CharTagger(nn.Module):
    """Classifies every character of a text: embedding, recurrent layers, a linear head at each step.

    The logits of a text depend on that text alone. They come with the classes in the second place and
    the steps in the last, as torch's losses and :class:`~practicezoo.Accuracy` take them, with zeros
    behind a text's end. Training on texts of varying length needs targets ``(N, T)`` that are -100
    there: ``nn.CrossEntropyLoss`` leaves them out, and an update weighs its batches by the steps
    that count.

    Args:
        num_chars: character ids, padding included; ``len(vocab)``.
        num_classes: classes of a character.
        embedding_dim: features of a character; ``None`` for one-hot, ``num_chars`` features.
        hidden_size: features of the hidden state, in each direction.
        num_layers: recurrent layers.
        bidirectional: whether to read backward as well.
        dropout: dropout probability between the recurrent layers.
        cell: "rnn", "gru" or "lstm".
        head: class of the layer from hidden state to logits; ``None`` for none: then the hidden state
            itself is the logits.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - inputs: ids, int64, as a :class:`PaddedSequence` ``(N, T)``, a PackedSequence, or a tensor
          ``(N, T)`` (then every position counts, unless ``lengths`` ``(N,)`` are given)
        - output: logits ``(N, num_classes, T)``, zero behind a sequence's end; T is that of the
          input, for a PackedSequence its longest sequence's

    Raises:
        ValueError: if a size is below 1, there is no head and the hidden state has another size than
            ``num_classes``, ids lie outside ``[0, num_chars)`` (checked on the CPU), or lengths are wrong.
        TypeError: if ``head`` is no class, ids or lengths are not integers, or lengths come with an input
            that has its own.

    Example:
        >>> model = CharTagger()
        >>> hello = torch.tensor([[1, 0, 2, 2, 3]])  # in the alphabet "ehlo"
        >>> model(hello).shape
        torch.Size([1, 4, 5])
        >>> nn.CrossEntropyLoss()(model(hello), torch.tensor([[3, 1, 2, 3, 2]])).shape  # ohlol
        torch.Size([])

    Source: the course's lecture on recurrent networks (hello to ohlol).
    """

    def __init__(
        self,
        num_chars: int = 4,
        num_classes: int = 4,
        *,
        embedding_dim: int | None = 10,
        hidden_size: int = 8,
        num_layers: int = 2,
        bidirectional: bool = False,
        dropout: float = 0.0,
        cell: Cell = "rnn",
        head: HeadFactory | None = nn.Linear,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(num_chars=num_chars, num_classes=num_classes)
        self.num_chars = num_chars
        self.num_classes = num_classes
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.cell = cell
        self.embedding: nn.Embedding | None = None
        if embedding_dim is not None:
            check_count(embedding_dim=embedding_dim)
            self.embedding = nn.Embedding(num_chars, embedding_dim, device=device, dtype=dtype)
        self.encoder = SequenceEncoder(
            embedding_dim or num_chars,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            cell=cell,
            dropout=dropout,
            device=device,
            dtype=dtype,
        )
        self.head = build_head(head, self.encoder.out_features, num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes, T)`` of a batch of texts; see the class for shapes."""
        steps = without_padding(self, inputs, lengths, by=[self.embedding, self.head])
        logits = map_steps(self.head, self.encoder(map_steps(self._embed, steps)).outputs)
        return classes_second(logits, inputs)

    def example_inputs(self) -> PaddedSequence:
        """A small batch that ``forward`` takes, of zeros."""
        return example_ids(self)

    def _embed(self, ids: Tensor) -> Tensor:
        check_ids(ids, self.num_chars)
        if self.embedding is None:
            return one_hot(ids, self.num_chars, next(self.encoder.parameters()).dtype)
        return self.embedding(ids)


def one_hot(ids: Tensor, num_chars: int, dtype: torch.dtype) -> Tensor:
    """A one at each id's place among zeros, ``(..., num_chars)``: torch's own gives integers only."""
    if is_exporting():  # a graph checks no values, but a lookup refuses ids beyond its table
        return F.embedding(ids, torch.eye(num_chars, dtype=dtype, device=ids.device))
    return (ids.unsqueeze(-1) == torch.arange(num_chars, device=ids.device)).to(dtype)


def build_head(
    head: HeadFactory | None,
    in_features: int,
    num_classes: int,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Module:
    """The layer from hidden state to logits; the identity for ``None``."""
    if head is None:
        if in_features != num_classes:
            raise ValueError(
                f"without a head the hidden state must have num_classes={num_classes} features, "
                f"got {in_features}"
            )
        return nn.Identity()
    if isinstance(head, nn.Module) or not callable(head):
        raise TypeError(f"head must be a class such as nn.Linear, got {head!r}")
    return head(in_features, num_classes, device=device, dtype=dtype)


def classes_second(logits: Sequences, inputs: Sequences) -> Tensor:
    """Logits of real steps as ``(N, classes, T)``, padded to the input's own T."""
    if isinstance(logits, PaddedSequence):  # in a graph
        logits = mask_padding(logits)
    if isinstance(logits, PackedSequence):
        num_steps = None if isinstance(inputs, PackedSequence) else inputs.data.shape[1]
        logits, _ = pad_packed_sequence(logits, batch_first=True, total_length=num_steps)
    return logits.transpose(1, 2)
