"""Samples of a batch that reach into each other's outputs."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.dry_run import DryRun, tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.samples import first_samples, take

__all__ = ["find_mixed_samples"]

NUM_TRIED = 16
# of the largest output; rows of a product are rounded alike whatever stands in the other rows
MIXED = 1e-4


def find_mixed_samples(dry_run: DryRun, num_samples: int, *, stacked: bool) -> Iterator[Finding]:
    """In evaluation mode, put samples in others' places and look at the outputs of those that stay.

    One is replaced, at three places; and each half by the other, after which every extreme value, sum and
    order of the batch is another.

    Left alone are models that are made for one batch of fixed rows (a graph's nodes), that compare all
    samples of a batch with each other, or that normalise with the batch's own statistics on purpose.

    Args:
        dry_run: the program's copy.
        num_samples: in the batch.
        stacked: whether the first dimension is known to hold samples; it may be steps.
    """
    if not (stacked or _first_are_samples(dry_run)) or _takes_statistics_of_batches(dry_run.model):
        return
    count = min(num_samples, NUM_TRIED)
    inputs, error = attempt(lambda: first_samples(dry_run.inputs, count, of=num_samples))
    half = attempt(lambda: dry_run.evaluated(first_samples(inputs, count // 2, of=count))).result
    if error is not None or count < 3 or not _is_alike(half, count // 2):
        return
    outputs = _rows(dry_run.evaluated(inputs), count)
    again = _rows(dry_run.evaluated(inputs), count)
    if outputs is None or again is None or not torch.equal(outputs, again):  # it has a state of its own
        return
    if _rows(half, count // 2).shape[-1] != outputs.shape[-1]:  # type: ignore[union-attr]
        return
    for what, rows in _replacements(count):
        yield from (found := list(_find_change(dry_run, inputs, outputs, rows, what)))
        if found:
            return


def _replacements(count: int) -> Iterator[tuple[str, Tensor]]:
    """What stands where, in words and as the rows to take."""
    rows, half = torch.arange(count), count // 2
    for place in (0, half, count - 1):
        other = (place + 1) % count
        yield f"sample {other} in the place of sample {place}", torch.where(rows == place, other, rows)
    yield f"samples 0 to {half - 1} in the places of all others", rows % half
    yield (
        f"samples {half} to {2 * half - 1} in the places of those before",
        torch.where(rows < half, rows + half, rows),
    )


def _find_change(dry_run: DryRun, inputs: Any, outputs: Tensor, rows: Tensor, what: str) -> Iterator[Finding]:
    count = len(outputs)
    changed = _rows(dry_run.evaluated(take(inputs, rows, of=count)), count)
    if changed is None or changed.shape != outputs.shape:
        return
    change = (changed - outputs).abs().flatten(1).amax(dim=1)
    change[(rows != torch.arange(count)).to(change.device)] = 0
    scale = float(outputs.abs().max())
    if float(change.max()) > MIXED * scale:
        reached = int(change.argmax())
        yield Finding(
            "samples-mixed",
            f"with {what}, the output of sample {reached} changes by {float(change[reached]):.2g} in "
            f"evaluation mode (the outputs reach {scale:.2g}): it depends on the others in its batch",
            "batch_first=True in recurrent and attention layers, transpose or permute instead of view to "
            "exchange dimensions, softmax and means over dim=1 or -1 instead of 0; scale inputs by numbers "
            "of the training data rather than of the batch",
        )


def _rows(outputs: Any, count: int) -> Tensor | None:
    """The first finite tensor of the outputs that has a row for each sample."""
    for each in tensors_in(outputs):
        if each.is_floating_point() and each.ndim and len(each) == count and bool(each.isfinite().all()):
            return each
    return None


def _is_alike(outputs: Any, count: int) -> bool:
    return _rows(outputs, count) is not None


def _first_are_samples(dry_run: DryRun) -> bool:
    """Whether the first dimension cannot be that of steps: targets and inputs do not share the first two."""
    inputs, targets = dry_run.inputs, dry_run.targets
    if hasattr(inputs, "lengths"):
        return True
    first = next(tensors_in(inputs), None)
    if not isinstance(targets, Tensor) or first is None:
        return False
    return targets.ndim == 1 or targets.shape[1:].numel() == 1 or targets.shape[:2] != first.shape[:2]


def _takes_statistics_of_batches(model: nn.Module) -> bool:
    """Whether a batch norm has none of its own."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return any(isinstance(module, norms) and module.running_mean is None for module in model.modules())
