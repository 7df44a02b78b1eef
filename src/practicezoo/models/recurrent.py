"""Networks that read text character by character."""

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks.recurrent import Cell, SequenceEncoder, Sequences, map_steps
from practicezoo.models.characters import check_ids, example_ids, without_padding
from practicezoo.models.classifier import Classifier
from practicezoo.sequences import PaddedSequence

__all__ = ["CharGRUClassifier"]


class CharGRUClassifier(Classifier):
    """Classifies a text from its characters: embedding, bidirectional GRU, linear head.

    The logits of a text depend on that text alone: not on its batch, its padding, or the form in
    which the batch comes. ``encoder.fused = True`` makes training on the CPU faster, see
    :class:`SequenceEncoder`.

    Args:
        num_chars: character ids, padding included; ``len(vocab)``.
        num_classes: classes.
        embedding_dim: features of a character.
        hidden_size: features of the hidden state, in each direction.
        num_layers: recurrent layers.
        bidirectional: whether to read backward as well.
        dropout: dropout probability between the recurrent layers and of the final state.
        cell: "rnn", "gru" or "lstm".
        padding_idx: the id of padding; its embedding is zero and stays so.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - inputs: ids, int64, as a :class:`PaddedSequence` ``(N, T)``, a PackedSequence, or a tensor
          ``(N, T)`` (then every position counts, unless ``lengths`` ``(N,)`` are given)
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ids lie outside ``[0, num_chars)`` (checked on the CPU), or
            lengths are wrong.
        TypeError: if ids or lengths are not integers, or lengths come with an input that has its own.

    Example:
        >>> from practicezoo.data import CharVocab, pad_collate
        >>> model = CharGRUClassifier(num_classes=18)
        >>> names, _ = pad_collate([(CharVocab().encode(name), 0) for name in ("Yamamoto", "Ng")])
        >>> model(names).shape
        torch.Size([2, 18])
        >>> model.reset_head(47)  # the same features, other classes
        >>> model(names).shape
        torch.Size([2, 47])

    Source: the course's lecture on recurrent networks (name classification), with the final states of
    both directions and padding that is never read.
    """

    def __init__(
        self,
        num_chars: int = 128,
        num_classes: int = 18,
        *,
        embedding_dim: int = 100,
        hidden_size: int = 100,
        num_layers: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.0,
        cell: Cell = "gru",
        padding_idx: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(num_chars=num_chars, num_classes=num_classes, embedding_dim=embedding_dim)
        if not 0 <= padding_idx < num_chars:
            raise ValueError(f"padding_idx must lie in [0, {num_chars}), got {padding_idx}")
        self.num_chars = num_chars
        self.padding_idx = padding_idx
        self.embedding = nn.Embedding(
            num_chars, embedding_dim, padding_idx=padding_idx, device=device, dtype=dtype
        )
        self.encoder = SequenceEncoder(
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            cell=cell,
            dropout=dropout if num_layers > 1 else 0.0,
            device=device,
            dtype=dtype,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.out_features, num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of a batch of texts; see the class for shapes."""
        return self.head(self.dropout(self.forward_features(inputs, lengths)))

    def forward_features(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """The final state before the head, ``(N, encoder.out_features)``."""
        # before the embedding: padding is not even looked up
        steps = without_padding(self, inputs, lengths, by=[self.embedding])
        check_ids(steps.data, self.num_chars)
        if self.encoder.fused:  # which need not look up every step
            return self.encoder(steps, self.embedding).final_state
        return self.encoder(map_steps(self.embedding, steps)).final_state

    def example_inputs(self) -> PaddedSequence:
        """A small batch that ``forward`` takes, of zeros."""
        return example_ids(self)
