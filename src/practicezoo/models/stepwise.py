"""A tagger that calls a recurrent cell at each step: the lesson on what a recurrent layer does."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_choice, check_count
from practicezoo.blocks.padded import is_exporting, run_padded
from practicezoo.blocks.recurrent import Cell, Sequences, map_steps
from practicezoo.models.characters import check_ids, example_ids, without_padding
from practicezoo.models.tagger import CharTagger, HeadFactory, build_head, classes_second, one_hot
from practicezoo.sequences import PaddedSequence

__all__ = ["StepwiseTagger"]

CELLS: dict[str, Callable[..., nn.RNNCellBase]] = {
    "rnn": nn.RNNCell,
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
}


class StepwiseTagger(nn.Module):
    """Classifies every character of a text with a recurrent cell that is called once for each step.

    The same network as a :class:`CharTagger` of one layer with ``embedding_dim=None``, written as the loop
    inside that layer: the inputs are one-hot vectors, and the logits of a step are the hidden state, or a
    head of it. Parameters have the same shapes; ``encoder.rnn.weight_ih_l0`` and its like are called
    ``rnn.weight_ih`` here, and :meth:`load_layer` copies them.

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
        check_count(num_chars=num_chars, num_classes=num_classes, hidden_size=hidden_size)
        check_choice(CELLS, cell=cell)
        self.num_chars = num_chars
        self.num_classes = num_classes
        self.hidden_size = hidden_size
        self.cell = cell
        self.rnn = CELLS[cell](num_chars, hidden_size, device=device, dtype=dtype)
        self.head = build_head(head, hidden_size, num_classes, device=device, dtype=dtype)

    def forward(self, inputs: Sequences, lengths: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes, T)`` of a batch of texts; see the class for shapes."""
        steps = without_padding(self, inputs, lengths, by=[self.rnn, self.head])
        check_ids(steps.data, self.num_chars)
        if isinstance(steps, Tensor):
            return torch.stack(self._walk(steps.unbind(dim=1)), dim=2)
        if isinstance(steps, PaddedSequence):
            if is_exporting():  # where a loop has a fixed number of turns
                return classes_second(map_steps(self.head, self._walk_in_graph(steps)), inputs)
            logits = torch.stack(self._walk(steps.data.unbind(dim=1)), dim=1)
            return classes_second(PaddedSequence(logits, steps.lengths), inputs)
        # packed sequences come longest first: those that have ended are always the last rows
        sizes = steps.batch_sizes.tolist()
        return classes_second(map_steps(lambda ids: torch.cat(self._walk(ids.split(sizes))), steps), inputs)

    def load_layer(self, tagger: CharTagger) -> None:
        """Copy the parameters of a :class:`CharTagger` that computes the same in one call.

        Raises:
            ValueError: if ``tagger`` has an embedding, more than one layer or two directions.
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

    def example_inputs(self) -> PaddedSequence:
        """A small batch that ``forward`` takes, of zeros."""
        return example_ids(self)

    def _walk_in_graph(self, steps: PaddedSequence) -> PaddedSequence:
        weights = [*self.rnn.parameters()]
        inputs = one_hot(steps.data, self.num_chars, weights[0].dtype)
        states, _ = run_padded(inputs, steps.lengths, weights, cell=self.cell, bidirectional=False)
        return PaddedSequence(states, steps.lengths)

    def _walk(self, steps: Iterable[Tensor]) -> list[Tensor]:
        """The logits of each step; a step holds the ids of the sequences that have not ended."""
        dtype = self.rnn.weight_ih.dtype
        state: Any = None  # for an LSTM a pair
        logits = []
        for ids in steps:
            state = self.rnn(one_hot(ids, self.num_chars, dtype), _first_rows(state, ids.shape[0]))
            logits.append(self.head(state[0] if self.cell == "lstm" else state))
        return logits


def _first_rows(state: Any, num_rows: int) -> Any:
    if isinstance(state, tuple):
        return tuple(_first_rows(part, num_rows) for part in state)
    return state if state is None or state.shape[0] == num_rows else state[:num_rows]
