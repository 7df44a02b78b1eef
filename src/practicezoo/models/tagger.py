"""Networks that say something of every character of a text: the lesson that turns hello into ohlol."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from practicezoo.blocks._build import check_positive
from practicezoo.blocks.recurrent import Cell, SequenceEncoder, Sequences
from practicezoo.models._chars import check_ids, each_step, one_hot, real_steps

__all__ = ["CharTagger", "StepwiseTagger"]

HeadFactory: TypeAlias = Callable[..., nn.Module]

_CELLS: dict[str, Callable[..., nn.RNNCellBase]] = {
    "rnn": nn.RNNCell,
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
}


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
        dropout: share of features dropped in training, between the recurrent layers.
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
        check_positive(num_chars=num_chars, num_classes=num_classes)
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
            check_positive(embedding_dim=embedding_dim)
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
        self.head = _build_head(head, self.encoder.out_features, num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes, T)`` of a batch of texts; see the class for shapes."""
        steps = real_steps(self, inputs, lengths)
        logits = each_step(self.head, self.encoder(each_step(self._embed, steps)).outputs)
        return _classes_second(logits, inputs)

    def _embed(self, ids: Tensor) -> Tensor:
        check_ids(ids, self.num_chars)
        if self.embedding is None:
            return one_hot(ids, self.num_chars, next(self.encoder.parameters()).dtype)
        return self.embedding(ids)


class StepwiseTagger(nn.Module):
    """Classifies every character of a text, walking a cell over it one character at a time.

    The same network as a :class:`CharTagger` of one layer with ``embedding_dim=None``, written as the loop
    that the layer hides: characters come in as one-hot vectors, and at each step the hidden state, or
    a head on it, gives the logits. The parameters have the same names and shapes, but for
    ``encoder.rnn.weight_ih_l0`` and its like, which are ``rnn.weight_ih`` here; :meth:`load_layer` takes
    them over.

    Args:
        num_chars: character ids, padding included; ``len(vocab)``.
        num_classes: classes of a character.
        hidden_size: features of the hidden state.
        cell: "rnn", "gru" or "lstm".
        head: class of the layer from hidden state to logits; ``None`` for none: then the hidden state
            itself is the logits.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - inputs: ids, int64, in any form that :class:`CharTagger` takes
        - output: logits ``(N, num_classes, T)``, zero behind a sequence's end

    Raises:
        ValueError: if a size is below 1, ``cell`` is unknown, there is no head and ``hidden_size`` is not
            ``num_classes``, ids lie outside ``[0, num_chars)`` (checked on the CPU), or lengths are wrong.
        TypeError: if ``head`` is no class, ids or lengths are not integers, or lengths come with an input
            that has its own.

    Example:
        >>> model = StepwiseTagger()
        >>> model(torch.tensor([[1, 0, 2, 2, 3]])).shape  # hello
        torch.Size([1, 4, 5])

    Source: the course's lecture on recurrent networks (RNNCell).
    """

    def __init__(
        self,
        num_chars: int = 4,
        num_classes: int = 4,
        *,
        hidden_size: int = 4,
        cell: Cell = "rnn",
        head: HeadFactory | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_positive(num_chars=num_chars, num_classes=num_classes, hidden_size=hidden_size)
        if cell not in _CELLS:
            raise ValueError(f"cell must be one of {', '.join(_CELLS)}, got {cell!r}")
        self.num_chars = num_chars
        self.num_classes = num_classes
        self.hidden_size = hidden_size
        self.cell = cell
        self.rnn = _CELLS[cell](num_chars, hidden_size, device=device, dtype=dtype)
        self.head = _build_head(head, hidden_size, num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes, T)`` of a batch of texts; see the class for shapes."""
        steps = real_steps(self, inputs, lengths)
        check_ids(steps.data, self.num_chars)
        if isinstance(steps, Tensor):
            return torch.stack(self._walk(steps.unbind(dim=1)), dim=2)
        # packed sequences come longest first: those that have ended are always the last rows
        logits = torch.cat(self._walk(steps.data.split(steps.batch_sizes.tolist())))
        return _classes_second(steps._replace(data=logits), inputs)

    def load_layer(self, tagger: CharTagger) -> None:
        """Take over the parameters of a tagger that does the same in one call.

        Raises:
            ValueError: if ``tagger`` has an embedding, several layers or two directions.
            RuntimeError: if its parameters have other sizes.

        Example:
            >>> layer = CharTagger(embedding_dim=None, num_layers=1, hidden_size=4, head=None)
            >>> stepwise = StepwiseTagger()
            >>> stepwise.load_layer(layer)
            >>> hello = torch.tensor([[1, 0, 2, 2, 3]])
            >>> torch.allclose(stepwise(hello), layer(hello))
            True
        """
        encoder = tagger.encoder
        if tagger.embedding is not None or encoder.num_layers > 1 or encoder.bidirectional:
            raise ValueError(
                f"tagger must have no embedding, one layer and one direction, got {tagger.embedding}, "
                f"num_layers={encoder.num_layers} and bidirectional={encoder.bidirectional}"
            )
        state = tagger.state_dict()
        self.load_state_dict(
            {name.removeprefix("encoder.").removesuffix("_l0"): value for name, value in state.items()}
        )

    def _walk(self, steps: Iterable[Tensor]) -> list[Tensor]:
        """Each step's logits; a step has the ids of the sequences that have not ended."""
        dtype = self.rnn.weight_ih.dtype
        state: Any = None  # for an LSTM a pair
        logits = []
        for ids in steps:
            state = self.rnn(one_hot(ids, self.num_chars, dtype), _first_rows(state, ids.shape[0]))
            logits.append(self.head(state[0] if self.cell == "lstm" else state))
        return logits


def _build_head(
    head: HeadFactory | None,
    in_features: int,
    num_classes: int,
    *,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Module:
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


def _first_rows(state: Any, num_rows: int) -> Any:
    if isinstance(state, tuple):
        return tuple(_first_rows(part, num_rows) for part in state)
    return state if state is None or state.shape[0] == num_rows else state[:num_rows]


def _classes_second(logits: Tensor | PackedSequence, inputs: Sequences) -> Tensor:
    """Logits of real steps as ``(N, classes, T)``, padded to the input's own T."""
    if isinstance(logits, PackedSequence):
        num_steps = None if isinstance(inputs, PackedSequence) else inputs.data.shape[1]
        logits, _ = pad_packed_sequence(logits, batch_first=True, total_length=num_steps)
    return logits.transpose(1, 2)
