"""Reading from a loader, in this process, and what it can be asked without reading."""

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset, default_collate

from practicezoo.batches import num_items

__all__ = ["all_targets", "batches", "is_pair", "last_batch_size", "stacks_samples"]


def batches(loader: Any) -> Iterator[Any]:
    """The loader's batches, read in this process: a DataLoader starts no worker and pins nothing."""
    if isinstance(loader, DataLoader):
        loader = copy.copy(loader)
        loader.num_workers, loader.timeout, loader.pin_memory = 0, 0, False
    return iter(loader)


def last_batch_size(loader: Any) -> int | None:
    """The items in the last batch, where they can be known without reading."""
    if isinstance(loader, list | tuple):
        return num_items(loader[-1][1]) if loader and is_pair(loader[-1]) else None
    try:
        rows = loader.sampler if isinstance(loader, DataLoader) else range(loader.num_samples)
        total = len(rows)  # type: ignore[arg-type]  # most samplers have one
        size, drop_last = loader.batch_size, loader.drop_last
    except (AttributeError, TypeError):  # another kind of loader, a sampler without a length
        return None
    if not size or drop_last or getattr(loader, "num_replicas", 1) > 1:
        return None
    return int((total - 1) % size + 1)


def all_targets(loader: Any) -> Tensor | None:
    """All targets, where they lie in one tensor."""
    holder = loader.dataset if isinstance(loader, DataLoader) else loader
    is_of_tensors = isinstance(holder, TensorDataset) or hasattr(holder, "num_samples")
    tensors = list(getattr(holder, "tensors", ())) if is_of_tensors else []
    return tensors[1] if len(tensors) == 2 and isinstance(tensors[1], Tensor) else None


def is_pair(batch: Any) -> bool:
    """Whether a batch has two entries."""
    return isinstance(batch, tuple | list) and len(batch) == 2


def stacks_samples(loader: Any) -> bool:
    """Whether batches are known to have their samples in the first dimension."""
    if isinstance(loader, DataLoader):
        return loader.collate_fn is default_collate
    return hasattr(loader, "num_samples")
