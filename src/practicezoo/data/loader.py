"""Batches by indexing whole tensors: the fast path for data that fits in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from practicezoo.sequences import PaddedSequence

__all__ = ["TensorLoader"]


class TensorLoader:
    """Iterates over batches of tensors in memory, with one index operation a batch.

    A DataLoader reads sample by sample and stacks; here a batch is cut from whole tensors, on the
    device where they live. A :class:`PaddedSequence` counts as a tensor: each batch of it is trimmed to
    its longest sequence. Without shuffling batches are views: a transform must not change them in place.

    Args:
        tensors: tensors (or padded sequences) with the same number of rows. Usually inputs and targets.
        batch_size: rows in a batch.
        shuffle: whether to draw a new order each epoch.
        drop_last: whether to drop the last batch if it is not full.
        generator: draws the order (a CPU generator); default: torch's global one.
        device: moves the tensors there once, when the loader is made.
        transform: called with the inputs (the first tensor) of each batch, as a whole; for example a
            transform of ``torchvision.transforms.v2``.

    Raises:
        ValueError: if there is no tensor, the tensors differ in rows, or ``batch_size`` is below 1.

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
    ) -> None:
        if not tensors:
            raise ValueError("tensors must hold at least one tensor, got none")
        sizes = [len(tensor) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise ValueError(f"tensors must have the same number of rows, got {sizes}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.tensors = tensors if device is None else tuple(tensor.to(device) for tensor in tensors)
        self.num_samples = sizes[0]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator
        self.transform = transform

    def __len__(self) -> int:
        full, rest = divmod(self.num_samples, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = torch.randperm(self.num_samples, generator=self.generator) if self.shuffle else None
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = slice(start, start + self.batch_size)
            index = rows if order is None else order[rows]
            inputs, *others = (_rows(tensor, index) for tensor in self.tensors)
            if self.transform is not None:
                inputs = self.transform(inputs)
            yield (inputs, *others)


def _rows(tensor: Tensor | PaddedSequence, index: Tensor | slice) -> Tensor | PaddedSequence:
    if isinstance(tensor, PaddedSequence):
        return tensor.rows(index)
    if isinstance(index, Tensor):
        index = index.to(tensor.device, non_blocking=True)
    return tensor[index]
