"""Mistakes of the loader: what it can be seen to do wrong before a batch is computed on."""

import copy
import io
import math
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from practicezoo.batches import num_items
from practicezoo.diagnostics.dry_run import one_line
from practicezoo.diagnostics.finding import Finding

__all__ = ["all_targets", "batches", "find_order", "find_unpicklable", "last_batch_size"]

NUM_LOOKED_AT = 64
CHANCE = 1e-6


def batches(loader: Any) -> Iterator[Any]:
    """The loader's batches, read in this process: a DataLoader starts no worker and pins nothing."""
    if isinstance(loader, DataLoader):
        loader = copy.copy(loader)
        loader.num_workers, loader.timeout, loader.pin_memory = 0, 0, False
    return iter(loader)


def find_unpicklable(loader: Any) -> Iterator[Finding]:
    """What worker processes cannot be sent where they are spawned."""
    if not isinstance(loader, DataLoader) or loader.num_workers == 0:
        return
    for code, part in (
        ("unpicklable-collate", loader.collate_fn),
        ("unpicklable-collate", loader.worker_init_fn),
        ("unpicklable-dataset", loader.dataset),
    ):
        try:
            _Discarding(io.BytesIO()).dump(part)
        except Exception as error:  # each kind of object has its own way to refuse
            name = getattr(part, "__qualname__", type(part).__name__)
            yield Finding(
                code,
                f"{name} cannot be pickled, as the {loader.num_workers} worker processes need on Windows, "
                f"macOS and, from Python 3.14, Linux ({one_line(error)})",
                "use functions and classes defined at the top of a module instead of lambdas and local "
                "ones, or num_workers=0",
            )


class _Discarding(ForkingPickler):
    """Pickles as worker processes are sent things, but for the arrays, which take long and never fail."""

    def persistent_id(self, obj: Any) -> str | None:
        return "array" if isinstance(obj, Tensor | np.ndarray) else None


def find_order(loader: Any) -> Iterator[Finding]:
    """Batches in a fixed order that has one class after the other."""
    targets = _targets_in_order(loader)
    if targets is None or targets.is_floating_point() or targets.ndim != 1:
        return
    counts = targets.unique_consecutive(return_counts=True)[1].tolist()
    num_classes = len(targets.unique())
    if num_classes < 2 or len(counts) > num_classes:  # one class has no order
        return
    # of all orders of these targets, the share that has each class in one piece
    logarithm = sum(math.lgamma(count + 1) for count in (*counts, num_classes)) - math.lgamma(sum(counts) + 1)
    if logarithm < math.log(CHANCE):
        yield Finding(
            "sorted-targets",
            f"the training batches come in a fixed order with the {num_classes} classes one after the other",
            "shuffle the training data: shuffle=True",
        )


def last_batch_size(loader: Any) -> int | None:
    """The items in the last batch, where they can be known without reading."""
    if isinstance(loader, list | tuple):
        return num_items(loader[-1][1]) if loader and _is_pair(loader[-1]) else None
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


def _targets_in_order(loader: Any) -> Tensor | None:
    """Targets in the order in which training sees them, if it sees them in the same one each epoch."""
    if isinstance(loader, list | tuple):
        targets = [batch[1] for batch in loader if _is_pair(batch)]
        are_rows = all(isinstance(each, Tensor) and each.ndim == 1 for each in targets)
        return torch.cat(targets) if are_rows and len(targets) > 1 else None
    if isinstance(loader, DataLoader):
        is_fixed = type(loader.sampler) is SequentialSampler and type(loader.batch_sampler) is BatchSampler
    else:
        is_fixed = not getattr(loader, "shuffle", True)
    try:
        if not is_fixed or len(loader) == 1:  # within a batch the order does not matter
            return None
        if (together := all_targets(loader)) is not None:
            return together
        dataset = loader.dataset
        step = max(1, len(dataset) // NUM_LOOKED_AT)
        return torch.tensor([dataset[index][1] for index in range(0, len(dataset), step)])
    except Exception:  # another kind of data; if it is broken, its batch will tell
        return None


def _is_pair(batch: Any) -> bool:
    return isinstance(batch, tuple | list) and len(batch) == 2
