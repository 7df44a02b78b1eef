"""Mistakes of the loader: what it can be seen to do wrong before a batch is computed on."""

import io
import math
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.finding import Finding, one_line
from practicezoo.diagnostics.reading import all_targets, is_pair

__all__ = ["find_order", "find_unpicklable"]

NUM_LOOKED_AT = 64
PROBABILITY = 1e-6


def find_unpicklable(loader: Any) -> Iterator[Finding]:
    """What worker processes cannot be sent where they are spawned."""
    if not isinstance(loader, DataLoader) or loader.num_workers == 0:
        return
    for code, part in (
        ("unpicklable-collate", loader.collate_fn),
        ("unpicklable-collate", loader.worker_init_fn),
        ("unpicklable-dataset", loader.dataset),
    ):
        _, error = attempt(_Discarding(io.BytesIO()).dump, part)
        if error is not None:
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
    targets, _ = attempt(_targets_in_order, loader)  # other kinds of data; a broken one fails when it is read
    if targets is None or targets.is_floating_point() or targets.ndim != 1:
        return
    counts = targets.unique_consecutive(return_counts=True)[1].tolist()
    num_classes = len(targets.unique())
    if num_classes < 2 or len(counts) > num_classes:  # one class has no order
        return
    # the fraction of all orders of these targets that have each class in one piece
    logarithm = sum(math.lgamma(count + 1) for count in (*counts, num_classes)) - math.lgamma(sum(counts) + 1)
    if logarithm < math.log(PROBABILITY):
        yield Finding(
            "sorted-targets",
            f"the training batches come in a fixed order with the {num_classes} classes one after the other",
            "shuffle the training data: shuffle=True",
        )


def _targets_in_order(loader: Any) -> Tensor | None:
    """Targets in the order in which training sees them, if it sees them in the same one each epoch."""
    if isinstance(loader, list | tuple):
        targets = [batch[1] for batch in loader if is_pair(batch)]
        are_rows = all(isinstance(each, Tensor) and each.ndim == 1 for each in targets)
        return torch.cat(targets) if are_rows and len(targets) > 1 else None
    if isinstance(loader, DataLoader):
        is_fixed = type(loader.sampler) is SequentialSampler and type(loader.batch_sampler) is BatchSampler
    else:
        is_fixed = not getattr(loader, "shuffle", True)
    if not is_fixed or len(loader) == 1:  # within a batch the order does not matter
        return None
    if (together := all_targets(loader)) is not None:
        return together
    dataset = loader.dataset
    step = max(1, len(dataset) // NUM_LOOKED_AT)
    return torch.tensor([dataset[index][1] for index in range(0, len(dataset), step)])
