"""Batches by indexing whole tensors: the fast path for data that fits in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from practicezoo.arguments import check_count
from practicezoo.sequences import PaddedSequence

__all__ = ["TensorLoader"]


class TensorLoader:
    """Iterates over batches of tensors in memory, with one index operation a batch.

    A DataLoader reads sample by sample and stacks; here a batch is cut from whole tensors, on the
    device where they live. A :class:`PaddedSequence` counts as a tensor: each batch of it is trimmed to
    its longest sequence. Without shuffling batches are views: a transform must not change them in place.

    Over several processes (``num_replicas``), each takes its share of every batch: the shares together
    are the batch that one process with ``num_replicas * batch_size`` rows would have, so each row
    comes exactly once an epoch, on one rank, and never twice. A last batch that is not full is shared as
    evenly as it goes, so shares differ by one row at most. If it has fewer rows than there are
    processes, then with ``shuffle`` nobody takes it, so that all ranks take equally many steps, as
    training in step needs; without ``shuffle`` it is given out and some ranks have one batch more, as
    evaluation needs. To train without ``shuffle``, use ``drop_last``.

    Args:
        tensors: tensors (or padded sequences) with the same number of rows. Usually inputs and targets.
        batch_size: rows in a batch, on each rank.
        shuffle: whether to draw a new order each epoch.
        drop_last: whether to drop the last batch if it is not full.
        generator: draws the order (a CPU generator); default: torch's global one.
        device: moves the tensors there once, when the loader is made.
        transform: called with the inputs (the first tensor) of each batch, as a whole; for example a
            transform of ``torchvision.transforms.v2``.
        seed: makes the order a function of this and the epoch given to :meth:`set_epoch` (``fit`` gives
            it), as with torch's ``DistributedSampler``; instead of ``generator``.
        num_replicas: processes that share the data.
        rank: which of them this is, from 0.

    Raises:
        ValueError: if there is no tensor, the tensors differ in rows, ``batch_size`` or ``num_replicas``
            is below 1, ``rank`` is not below ``num_replicas``, both ``seed`` and ``generator`` are given,
            or neither is to shuffle over several processes, which must draw the same order.
        TypeError: if something else than a tensor or a padded sequence is given.

    Example:
        >>> loader = TensorLoader(torch.arange(5), torch.arange(5) ** 2, batch_size=2)
        >>> len(loader)
        3
        >>> [targets.tolist() for inputs, targets in loader]
        [[0, 1], [4, 9], [16]]
    """

    def __init__(
        self,
        *tensors: Tensor | PaddedSequence,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        transform: Callable[[Any], Any] | None = None,
        seed: int | None = None,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        if not tensors:
            raise ValueError("tensors must hold at least one tensor, got none")
        for tensor in tensors:
            if not isinstance(tensor, Tensor | PaddedSequence):
                raise TypeError(
                    f"tensors must be tensors or padded sequences, got {type(tensor).__name__}"
                    + (" (its method tensors() gives them)" if hasattr(tensor, "tensors") else "")
                )
        sizes = [len(tensor) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise ValueError(f"tensors must have the same number of rows, got {sizes}")
        check_count(batch_size=batch_size, num_replicas=num_replicas)
        if not 0 <= rank < num_replicas:
            raise ValueError(f"rank must lie in [0, {num_replicas}), got {rank}")
        if seed is not None and generator is not None:
            raise ValueError(
                f"seed and generator must not be given together, got seed {seed} and a generator"
            )
        if shuffle and num_replicas > 1 and seed is None and generator is None:
            raise ValueError(
                f"seed (or a generator in the same state on every rank) must be given to shuffle over "
                f"{num_replicas} replicas, got neither"
            )
        self.tensors = tensors if device is None else tuple(tensor.to(device) for tensor in tensors)
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
        own = self._share(0, rest)
        return full + (own.stop > own.start)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = self._order()
        step = self.batch_size * self.num_replicas
        for start in range(0, len(self) * step, step):
            rows = self._share(start, min(start + step, self.num_samples))
            index = rows if order is None else order[rows]
            inputs, *others = (_rows(tensor, index) for tensor in self.tensors)
            if self.transform is not None:
                inputs = self.transform(inputs)
            yield (inputs, *others)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew with the next iteration, if there is a ``seed``: the same epoch, the same order."""
        self.epoch = epoch

    def _order(self) -> Tensor | None:
        if not self.shuffle:
            return None
        generator = self.generator
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return torch.randperm(self.num_samples, generator=generator)

    def _share(self, start: int, stop: int) -> slice:
        """This rank's part of the rows from ``start`` to ``stop``."""
        size = stop - start
        return slice(
            start + size * self.rank // self.num_replicas, start + size * (self.rank + 1) // self.num_replicas
        )


def _rows(tensor: Tensor | PaddedSequence, index: Tensor | slice) -> Tensor | PaddedSequence:
    if isinstance(tensor, PaddedSequence):
        return tensor.rows(index)
    if isinstance(index, Tensor):
        # some ten times faster than tensor[index] for rows of many bytes
        return tensor.index_select(0, index.to(tensor.device, non_blocking=True))
    return tensor[index]
