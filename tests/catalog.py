"""Every block and model of the library with an example input: what test_contracts.py runs over.

A new block or model gets at least one entry here, with a small configuration of each kind it has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.blocks import SequenceEncoder
from practicezoo.models import CharGRUClassifier

Example = Callable[[int, torch.dtype], Tensor]  # (batch size, the module's dtype) -> a dense input


@dataclass(frozen=True)
class Entry:
    """A module in one configuration.

    Attributes:
        name: the test's id.
        module: the class.
        arguments: the constructor's arguments, without device and dtype.
        example: makes a dense input; the same batch size gives the same input.
        recurrent: whether padded and packed sequences are inputs too.
    """

    name: str
    module: type[nn.Module]
    arguments: dict[str, Any]
    example: Example
    recurrent: bool = False

    def build(self, **factory: Any) -> nn.Module:
        """A fresh module; ``factory`` is device and dtype."""
        return self.module(**self.arguments, **factory)


def features(*shape: int) -> Example:
    """Random features of this shape: ``features(7, 3)`` for sequences, ``features(1, 28, 28)`` for images."""

    def example(batch_size: int, dtype: torch.dtype) -> Tensor:
        generator = torch.Generator().manual_seed(batch_size)
        return torch.randn(batch_size, *shape, dtype=dtype, generator=generator)

    return example


def ids(num_ids: int, num_steps: int) -> Example:
    """Random ids from 1 on, so none of them is padding."""

    def example(batch_size: int, dtype: torch.dtype) -> Tensor:
        del dtype  # ids are integers in every precision
        generator = torch.Generator().manual_seed(batch_size)
        return torch.randint(1, num_ids, (batch_size, num_steps), generator=generator)

    return example


def _encoder(name: str, **arguments: Any) -> Entry:
    arguments = {"input_size": 3, "hidden_size": 4, **arguments}
    return Entry(f"SequenceEncoder-{name}", SequenceEncoder, arguments, features(5, 3), recurrent=True)


def _classifier(name: str, **arguments: Any) -> Entry:
    small = {"num_chars": 20, "num_classes": 6, "embedding_dim": 5, "hidden_size": 4}
    return Entry(
        f"CharGRUClassifier-{name}", CharGRUClassifier, small | arguments, ids(20, 5), recurrent=True
    )


ENTRIES = [
    _encoder("rnn", cell="rnn"),
    _encoder("gru", cell="gru", num_layers=2, dropout=0.5),
    _encoder("lstm", cell="lstm"),
    _encoder("rnn-bidirectional", cell="rnn", bidirectional=True),
    _encoder("gru-bidirectional", cell="gru", bidirectional=True),
    _encoder("lstm-bidirectional", cell="lstm", bidirectional=True, num_layers=2),
    _classifier("default"),
    _classifier("one-direction", num_layers=1, bidirectional=False),
    _classifier("lstm", cell="lstm", num_layers=1),
    _classifier("dropout", dropout=0.4, padding_idx=19),
]
