"""Batches by indexing whole tensors: the fast path for data that fits in memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from practicezoo.arguments import check_count
from practicezoo.data.collate import IGNORED
from practicezoo.data.shard import Shard
from practicezoo.sequences import PaddedSequence

__all__ = ["TensorLoader"]

BYTES_AT_ONCE = 2**18  # small batches are copied many at once: an operation costs more than their bytes


class TensorLoader:
    """Iterates over batches of tensors in memory, with one index operation for a batch or many.

    A DataLoader reads sample by sample and stacks; here a batch is cut from whole tensors, on the
    device where they live. A :class:`PaddedSequence` counts as a tensor: each batch of it is trimmed to
    its longest sequence. Batches are copies: what is done to one in place never reaches the tensors.
    Targets of steps ``(N, T)``, -100 behind each end, are trimmed with their sequences.

    Over several processes (``num_replicas``), each takes its part of every batch: the parts together
    are the batch that one process with ``num_replicas * batch_size`` rows would have, so each row
    comes exactly once an epoch, on one rank, and never twice. A last batch that is not full is divided as
    evenly as it goes, so parts differ by one row at most. If it has fewer rows than there are
    processes, then with ``shuffle`` nobody takes it, so that all ranks take equally many steps, as
    training in step needs; without ``shuffle`` it is given out and some ranks have one batch more, as
    evaluation needs. To train without ``shuffle``, use ``drop_last``.

    Args:
        tensors: tensors, padded sequences, arrays of numbers, columns of a table, or dicts of them, with the
            same number of rows. Usually inputs and targets.
        batch_size: rows in a batch, on each rank.
        shuffle: whether to sample a new order each epoch.
        drop_last: whether to drop the last batch if it is not full.
        generator: samples the order (a CPU generator); default: torch's global one.
        device: moves the tensors there once, when the loader is made.
        transform: called with the inputs (the first tensor) of each batch, as a whole; for example a
            transform of ``torchvision.transforms.v2``.
        seed: makes the order a function of this and the epoch given to :meth:`set_epoch` (``fit`` gives
            it), as with torch's ``DistributedSampler``; instead of ``generator``.
        num_replicas: processes that share the data; 1 where each goes through all of it. Default: 1, and
            in one of several processes the first iteration raises.
        rank: which of them this is, from 0.

    Raises:
        ValueError: if there is no tensor, the tensors differ in rows, ``batch_size`` or ``num_replicas``
            is below 1, ``rank`` is not below ``num_replicas``, both ``seed`` and ``generator`` are given,
            or neither is to shuffle over several processes, which must sample the same order; and at an
            iteration in one of several processes if ``num_replicas`` is not given.
        TypeError: if something else is given.

    Example:
        >>> loader = TensorLoader(torch.arange(5), torch.arange(5) ** 2, batch_size=2)
        >>> len(loader)
        3
        >>> [targets.tolist() for inputs, targets in loader]
        [[0, 1], [4, 9], [16]]
    """

    def __init__(
        self,
        *tensors: Tensor | PaddedSequence | np.ndarray | Mapping[str, Any],
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        transform: Callable[[Any], Any] | None = None,
        seed: int | None = None,
        num_replicas: int | None = None,
        rank: int = 0,
    ) -> None:
        columns = [_as_columns(tensor) for tensor in tensors]
        sizes = [size for column in columns for size in _sizes(column)]
        if not sizes:
            raise ValueError("tensors must hold at least one tensor, got none")
        if len(set(sizes)) > 1:
            raise ValueError(f"tensors must have the same number of rows, got {sizes}")
        check_count(batch_size=batch_size)
        self._is_told_its_part = num_replicas is not None
        num_replicas = 1 if num_replicas is None else num_replicas
        self._shard = Shard(num_replicas, rank)
        if seed is not None and generator is not None:
            raise ValueError(
                f"seed and generator must not be given together, got seed {seed} and a generator"
            )
        if shuffle and num_replicas > 1 and seed is None and generator is None:
            raise ValueError(
                f"seed (or a generator in the same state on every rank) must be given to shuffle over "
                f"{num_replicas} replicas, got neither"
            )
        self.tensors = tuple(column if device is None else _to(column, device) for column in columns)
        self._follows_steps = [_is_padded_like(self.tensors[0], column) for column in self.tensors]
        self.num_samples = sizes[0]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator
        self.transform = transform
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0

    def __len__(self) -> int:
        full, rest = divmod(self.num_samples, self.batch_size * self.num_replicas)
        if self.drop_last:
            return full
        if self.shuffle:  # equally many on every rank
            return full + (rest >= self.num_replicas)
        own = self._shard.rows(0, rest)
        return full + (own.stop > own.start)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if not self._is_told_its_part:
            _check_alone()
        rows = self._own_rows()
        batches = zip(*(_batches(column, rows, self.batch_size) for column in self.tensors), strict=True)
        trimmed = [place for place, follows in enumerate(self._follows_steps) if follows]
        if not trimmed and self.transform is None:
            yield from batches
            return
        for batch in batches:
            parts = list(batch)
            for place in trimmed:
                parts[place] = parts[place][:, : parts[0].data.shape[1]]
            if self.transform is not None:
                parts[0] = self.transform(parts[0])
            yield tuple(parts)

    def set_epoch(self, epoch: int) -> None:
        """Choose the next iteration's order, if there is a ``seed``: the same epoch, the same order."""
        self.epoch = epoch

    def _own_rows(self) -> Tensor | slice:
        """The rows of this rank's batches, in their order."""
        order = self._order()
        step = self.batch_size * self.num_replicas
        end = min(len(self) * step, self.num_samples)
        if self.num_replicas == 1:
            return slice(0, end) if order is None else order[:end]
        if order is None:
            order = torch.arange(self.num_samples, device="cpu")
        own = [order[self._shard.rows(start, min(start + step, end))] for start in range(0, end, step)]
        return torch.cat(own) if own else order[:0]

    def _order(self) -> Tensor | None:
        if not self.shuffle:
            return None
        generator = self.generator
        if self.seed is not None:
            generator = torch.Generator("cpu").manual_seed(self.seed + self.epoch)
        return torch.randperm(self.num_samples, generator=generator, device="cpu")


def _check_alone() -> None:
    """Raise ValueError in one of several processes: should it take its part of the rows, or all of them?"""
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        size, rank = distributed.get_world_size(), distributed.get_rank()
        raise ValueError(
            f"num_replicas must be given to a TensorLoader in one of {size} processes: num_replicas={size}, "
            f"rank={rank} for this one's part of each batch, num_replicas=1 for all rows in each process"
        )


def _as_columns(value: Any) -> Any:
    """A tensor, a padded sequence, or a dict of them; arrays and columns of a table are copied."""
    if isinstance(value, Tensor) and value.ndim == 0:
        raise ValueError(f"tensors must have rows, got a single number, {value.item()}")
    if isinstance(value, Tensor | PaddedSequence):
        return value
    if isinstance(value, Mapping):
        if not value:
            raise ValueError("tensors must hold at least one tensor, got an empty dict")
        return {key: _as_columns(each) for key, each in value.items()}
    if hasattr(value, "to_numpy"):  # a column or a table of pandas
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return _as_columns(torch.from_numpy(value.copy()))
    hint = " (its method tensors() gives them)" if hasattr(value, "tensors") else ""
    kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(
        f"tensors must be tensors, padded sequences, arrays of numbers or dicts of them, got {kind}{hint}"
    )


def _sizes(column: Any) -> list[int]:
    return (
        [size for each in column.values() for size in _sizes(each)]
        if isinstance(column, dict)
        else [len(column)]
    )


def _to(column: Any, device: torch.device | str) -> Any:
    return (
        {key: _to(each, device) for key, each in column.items()}
        if isinstance(column, dict)
        else column.to(device)
    )


def _is_padded_like(inputs: Any, column: Any) -> bool:
    """Whether these are targets of steps: ``(N, T)`` beside padded inputs, -100 behind each end."""
    if not (isinstance(inputs, PaddedSequence) and isinstance(column, Tensor)) or column.is_floating_point():
        return False
    if column.shape[:2] != inputs.data.shape[:2] or len(column) == 0:
        return False
    behind = torch.arange(column.shape[1], device="cpu") >= inputs.lengths[:, None]
    return bool(behind.any()) and bool((column.cpu()[behind] == IGNORED).all())


def _batches(column: Any, rows: Tensor | slice, batch_size: int) -> Iterator[Any]:
    """Copies of rows, batch by batch: what is done to one in place never reaches the user's tensors."""
    if isinstance(column, dict):
        for values in zip(*(_batches(each, rows, batch_size) for each in column.values()), strict=True):
            yield dict(zip(column, values, strict=True))
        return
    num_rows = len(rows) if isinstance(rows, Tensor) else rows.stop
    if isinstance(column, PaddedSequence):  # each batch as long as its longest sequence
        for start in range(0, num_rows, batch_size):
            yield _copy_sequences(column, rows, start, min(start + batch_size, num_rows))
        return
    if num_rows == 0:
        return
    bytes_of_batch = column[:batch_size].numel() * column.element_size()
    block = batch_size * max(1, BYTES_AT_ONCE // max(1, bytes_of_batch))
    if isinstance(rows, Tensor):  # some ten times faster than column[index] for rows of many bytes
        parts = rows.to(column.device, non_blocking=True).split(block)
        copies = (column.index_select(0, part) for part in parts)
    else:
        copies = (part.clone() for part in column[rows].split(block))
    for copied in copies:
        # no views: a batch changed in place leaves the others be
        yield from (copied,) if block == batch_size else copied.unsafe_split(batch_size)


def _copy_sequences(column: PaddedSequence, rows: Tensor | slice, start: int, stop: int) -> PaddedSequence:
    """The sequences from ``start`` to ``stop`` of those that ``rows`` names."""
    if isinstance(rows, Tensor):
        return column.rows(rows[start:stop])
    cut = column.rows(slice(start, stop))
    return PaddedSequence(cut.data.clone(), cut.lengths.clone())
