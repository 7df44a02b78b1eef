"""Training data of a single class, and validation data that holds training samples or is scaled otherwise."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from practicezoo.batches import split_batch
from practicezoo.diagnostics.dry_run import tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.reading import all_targets, batches, is_pair
from practicezoo.diagnostics.recorder import LossCall

__all__ = ["find_one_class", "find_other_scale", "find_overlap"]

CLASSIFYING = {"cross-entropy", "nll", "bce", "bce-with-logits"}
MIN_TARGETS = 16
NUM_SAMPLES, SECONDS = 16_384, 0.4
# Of the validation samples. Equal samples may come from the data, as short names do: as many as there are in
# one half of the training data from the other are no mistake.
OVERLAP, MIN_SAMPLES, USUAL = 0.02, 8, 4
# Between two batches of one kind of data, a root mean square seldom differs by a factor of two; grey values
# that were not divided by 255 differ by hundreds.
OTHER_SCALE = 10


def find_one_class(loader: Any, calls: Sequence[LossCall]) -> Iterator[Finding]:
    """All targets of a classification at hand, if they are one and the same."""
    targets = _targets(loader)
    if targets is None or not any(call.kind in CLASSIFYING for call in calls):
        return
    if len(targets) >= MIN_TARGETS and targets.numel() == len(targets) and len(targets.unique()) == 1:
        yield Finding(
            "one-class",
            f"all {len(targets):,} training targets are {float(targets.flatten()[0]):g}: a constant "
            "output is right for them",
            "look at how the data is filtered and split, and shuffle before splitting",
        )


def _targets(loader: Any) -> Tensor | None:
    if isinstance(loader, list | tuple):
        parts = [batch[1] for batch in loader if is_pair(batch)]
        return (
            torch.cat(parts)
            if parts and all(isinstance(each, Tensor) and each.ndim for each in parts)
            else None
        )
    return all_targets(loader)


def find_overlap(loader: Any, val_loader: Any) -> Iterator[Finding]:
    """Samples that both loaders give; a loader that is given twice is meant so."""
    if loader is val_loader:
        return
    shared = _shared_rows(loader, val_loader)
    if shared:
        yield _overlap(*shared)
        return
    train, val = _samples(loader), _samples(val_loader)
    half = set(train[: len(train) // 2])
    usual = sum(each in half for each in train[len(train) // 2 :]) / max(len(half), 1)
    known = set(train)
    count = sum(each in known for each in val)
    if count >= MIN_SAMPLES and count > max(OVERLAP, USUAL * usual) * len(val):
        yield _overlap(count, len(val))


def find_other_scale(inputs: Any, val_loader: Any) -> Iterator[Finding]:
    """Validation inputs of another scale than the training inputs, in the first batch of each."""
    val_inputs, _ = split_batch(next(batches(val_loader)))
    for train, val in zip(tensors_in(inputs), tensors_in(val_inputs), strict=True):
        if not train.is_floating_point() or not val.is_floating_point():
            continue
        rows = [each.detach().double().cpu() for each in (train, val)]
        sizes = [float(each.square().mean().sqrt()) for each in rows]
        if min(map(len, rows)) >= MIN_SAMPLES and 0 < OTHER_SCALE * min(sizes) < max(sizes) < math.inf:
            (mean, std), (val_mean, val_std) = (
                (float(each.mean()), float(each.std(correction=0))) for each in rows
            )
            yield Finding(
                "splits-scaled-apart",
                f"the validation inputs have mean {val_mean:.4g} and standard deviation {val_std:.4g}, the "
                f"training inputs {mean:.4g} and {std:.4g}: the validation score tells nothing",
                "prepare both splits by the same transform, with the training data's mean and standard "
                "deviation",
            )
            return


def _overlap(count: int, total: int) -> Finding:
    return Finding(
        "splits-overlap",
        f"{count:,} of {total:,} validation samples are among the training samples: the validation score "
        "tells how well these are remembered",
        "split once, before samples are repeated or augmented, and build both loaders from the parts",
    )


def _shared_rows(loader: Any, val_loader: Any) -> tuple[int, int] | None:
    """How many rows of one data set stand in both subsets, and how many the second has."""
    parts = [each.dataset if isinstance(each, DataLoader) else None for each in (loader, val_loader)]
    train, val = (part for part in parts)
    if not isinstance(train, Subset) or not isinstance(val, Subset) or train.dataset is not val.dataset:
        return None
    rows = set(map(int, train.indices))
    count = sum(int(row) in rows for row in val.indices)
    return (count, len(val.indices)) if count else None


def _samples(loader: Any) -> list[bytes]:
    """The values of each sample, as far as a moment lets them be read."""
    found: list[bytes] = []
    started = time.perf_counter()
    for batch in batches(loader):
        inputs, targets = split_batch(batch)
        data = getattr(inputs, "data", None)
        if not isinstance(data, Tensor) or not isinstance(targets, Tensor) or len(data) != len(targets):
            return []
        lengths = getattr(inputs, "lengths", None)
        for row, sample in enumerate(data.detach().cpu()):
            kept = sample if lengths is None else sample[: int(lengths[row])]
            found.append(kept.contiguous().numpy().tobytes())
        if len(found) >= NUM_SAMPLES or time.perf_counter() - started > SECONDS:
            break
    return found
