"""Targets and first losses of a wrong scale."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import LossCall
from practicezoo.diagnostics.trial import Trial

__all__ = ["find_large_first_loss", "find_small_targets", "find_target_scale"]

FAR, NUM_UPDATES = 1e3, 1e5  # a hundred thousand steps of the first one's length do not get there
SMALL = 1e-4  # of the outputs
SCALE_TARGETS = (
    "subtract the training targets' mean and divide by their standard deviation, and undo both in predictions"
)
# Guessing costs log(num_classes). Most fresh networks start at up to twice that, torchvision's MNASNet on
# small images at six times.
LARGE, MIN_LOGIT = 10.0, 25.0
LARGER, BOUNDED = 4, 1.1


def find_small_targets(call: LossCall, targets: Tensor) -> Iterator[Finding]:
    """A regression whose outputs dwarf the targets."""
    if call.kind != "difference" or call.targets is not targets or call.inputs.shape != targets.shape:
        return
    outputs, largest = float(call.inputs.detach().abs().max()), float(targets.abs().max())
    if largest < SMALL * outputs and float(targets.double().std(correction=0)) > 0:
        yield Finding(
            "target-scale",
            f"the targets reach {largest:.2g} and the outputs {outputs:.2g}: next to these, the targets "
            "hardly differ from 0",
            SCALE_TARGETS,
        )


def find_target_scale(trial: Trial) -> Iterator[Finding]:
    """A regression whose targets are so far away that an update does not matter; updates the trial."""
    run = trial.dry_run
    before, targets = run.steady(), run.targets
    if not isinstance(before, Tensor) or not isinstance(targets, Tensor) or before.shape != targets.shape:
        return
    if not targets.is_floating_point():
        return
    distance = float((targets - before).abs().median())
    if distance < FAR * max(1.0, float(before.abs().max())):
        return
    trial.update()
    moved = float((run.steady() - before).abs().max())
    if 0 < moved < distance / NUM_UPDATES:
        yield Finding(
            "target-scale",
            f"the targets are about {distance:.2g} away from the outputs, and an update moves these by "
            f"{moved:.2g}: {distance / moved:.0e} such updates would be needed",
            SCALE_TARGETS,
        )


def find_large_first_loss(dry_run: DryRun, index: int) -> Iterator[Finding]:
    """A classifier that is certain of wrong classes before it has learned anything.

    Logits that larger weights do not enlarge, such as cosines times a scale, are bounded on purpose.
    """
    call = dry_run.loss_calls[index]
    inputs, targets = call.inputs.detach().float(), call.targets
    if call.kind == "cross-entropy" and not targets.is_floating_point():
        if inputs.ndim < 2 or call.wrong_targets().numel() or targets.shape != _without_classes(inputs):
            return
        loss = float(F.cross_entropy(inputs, targets.long(), ignore_index=call.ignore_index))
        guess, what = math.log(call.num_classes), f"log({call.num_classes})"
    elif call.kind == "bce-with-logits" and inputs.shape == targets.shape:
        loss = float(F.binary_cross_entropy_with_logits(inputs, targets.float()))
        guess, what = math.log(2), "log(2)"
    else:
        return
    largest = float(inputs.abs().max())
    if not (guess > 0 and math.isfinite(loss) and loss > LARGE * guess and largest > MIN_LOGIT):
        return
    with dry_run.other_weights(lambda each: LARGER * each):
        values = dry_run.compared(dry_run.steady(), index)
    if values is None or not float(values.abs().max()) <= BOUNDED * largest:
        yield Finding(
            "large-first-loss",
            f"the first loss is {loss:.3g} and guessing costs {guess:.3g} = {what}: the outputs reach "
            f"{largest:.3g} before anything is learned",
            "start from smaller weights in the last layer (torch's own start will do), and remove factors "
            "behind it",
        )


def _without_classes(inputs: Tensor) -> torch.Size:
    return torch.Size([*inputs.shape[:1], *inputs.shape[2:]])
