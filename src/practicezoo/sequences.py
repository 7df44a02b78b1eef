"""Sequences of varying length: padded data that never forgets how long each sequence really is."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

__all__ = ["PaddedSequence", "are_kept_padded", "keep_padded"]

_keepers: list[None] = []  # of all threads: a backward pass that computes a layer again has one of its own


@contextmanager
def keep_padded() -> Iterator[None]:
    """Within, the library packs only where it must, and lengths may be on any device, unchecked.

    Sizes then depend on the shape of a batch alone, as a CUDA graph needs. Results are the same up to
    rounding, but for the random numbers of dropout. It holds for all threads.
    """
    _keepers.append(None)
    try:
        with warnings.catch_warnings():  # cuDNN copies the weights of one direction together
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single")
            yield
    finally:
        _keepers.pop()


def are_kept_padded() -> bool:
    """Whether this is within :func:`keep_padded`."""
    return bool(_keepers)


class PaddedSequence(NamedTuple):
    """A batch of sequences padded to one length, with the true lengths beside it.

    A named tuple, so DataLoader workers, ``pin_memory`` and pytree functions handle it as they are.
    ``len()`` is the number of sequences.

    Args:
        data: the padded batch.
        lengths: how many leading steps of each row are real, int64, on the CPU.

    Shape:
        - data: ``(N, T, ...)``
        - lengths: ``(N,)``, each between 1 and T

    Example:
        >>> batch = PaddedSequence(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1]))
        >>> len(batch)
        2
        >>> batch.pack().data
        tensor([5, 8, 6, 7])
    """

    data: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.data)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "PaddedSequence":
        """Move the data to ``device``; the lengths stay on the CPU, where packing needs them."""
        return PaddedSequence(self.data.to(device, non_blocking=non_blocking), self.lengths)

    def rows(self, index: Tensor | slice) -> "PaddedSequence":
        """The sequences at ``index``, trimmed to the longest of them.

        Args:
            index: a slice, or the row numbers as an int64 tensor ``(M,)`` on the CPU.
        """
        lengths = self.lengths[index]
        longest = int(lengths.max()) if len(lengths) else 0
        if isinstance(index, Tensor):
            index = index.to(self.data.device, non_blocking=True)
        return PaddedSequence(self.data[index, :longest], lengths)

    def pack(self) -> PackedSequence:
        """Pack the batch, in any order of lengths; the caller's order is kept in the result's indices.

        Raises:
            TypeError: if ``lengths`` is not an int64 tensor on the CPU.
            ValueError: if ``data`` has no steps, or ``lengths`` has not one entry for each sequence, or
                one outside ``[1, T]``.
        """
        self.check()
        return pack_padded_sequence(self.data, self.lengths.cpu(), batch_first=True, enforce_sorted=False)

    def check(self) -> None:
        """Raise the error that :meth:`pack` would raise, without packing."""
        lengths = self.lengths
        if not isinstance(lengths, Tensor) or lengths.dtype != torch.int64:
            kind = lengths.dtype if isinstance(lengths, Tensor) else type(lengths).__name__
            raise TypeError(f"lengths must be an int64 tensor, got {kind}")
        if lengths.device.type != "cpu" and not are_kept_padded():
            raise TypeError(f"lengths must stay on the CPU, got device {lengths.device}")
        if self.data.ndim < 2:
            raise ValueError(f"data must have shape (N, T, ...), got {tuple(self.data.shape)}")
        num_sequences, num_steps = self.data.shape[:2]
        if lengths.shape != (num_sequences,):
            raise ValueError(
                f"lengths must have one entry for each of the {num_sequences} sequences, "
                f"got shape {tuple(lengths.shape)}"
            )
        wrong = (lengths < 1) | (lengths > num_steps)
        if wrong.any():
            index = int(wrong.nonzero()[0])
            raise ValueError(
                f"lengths must lie between 1 and {num_steps}, got {int(lengths[index])} at index {index}"
            )


def _make(cls: type[PaddedSequence], iterable: Iterable[Tensor]) -> PaddedSequence:
    data, lengths = iterable
    return cls(data, lengths)


# namedtuple's own _make (and through it _replace) counts fields with len(), which is N here. With a class
# between that overrides it, pytrees of torch 2.6 would see no named tuple.
PaddedSequence._make = classmethod(_make)  # type: ignore[assignment, method-assign]
