"""Outputs that differ from one evaluation to the next."""

from collections.abc import Iterator

import torch
from torch import Tensor

from practicezoo.diagnostics.dry_run import DryRun, tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import RandomCall

__all__ = ["find_random_evaluation"]

DIFFERS = 1e-3  # of the largest output


def find_random_evaluation(dry_run: DryRun, num_samples: int) -> Iterator[Finding]:
    """Two passes in evaluation mode, with other random numbers of torch, NumPy and Python.

    A model that returns more than one tensor, such as a variational one, samples on purpose, and so does one
    whose noise has the shape of its weights, or of many samples for each of the batch.
    """
    outputs, recorder = dry_run.observed(dry_run.inputs)
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        return
    other, again = dry_run.evaluated(dry_run.inputs, seed=1), dry_run.evaluated(dry_run.inputs)
    if not torch.equal(outputs, again) or outputs.shape != other.shape:  # a state, not a random number
        return
    difference, scale = float((outputs - other).abs().max()), float(outputs.abs().max())
    if not difference > DIFFERS * scale:
        return
    calls = recorder.random_calls
    fix = "draw random numbers only in training: if self.training"
    if dropouts := [call for call in calls if call.drops]:
        calls = dropouts
        fix = (
            "give dropout_p only if self.training: dropout_p=self.dropout if self.training else 0.0"
            if calls[0].name == "scaled_dot_product_attention"
            else f"F.{calls[0].name}(..., training=self.training), or a module such as nn.Dropout"
        )
    elif any(_is_meant(call, dry_run, num_samples) for call in calls):
        return
    drawn = f"{calls[0].name} in {calls[0].where}" if calls else "Python's random or NumPy"
    yield Finding(
        "evaluation-random",
        f"two passes of one batch in evaluation mode differ by up to {difference:.2g} (the outputs reach "
        f"{scale:.2g}): {drawn} draws random numbers there too",
        fix,
    )


def _is_meant(call: RandomCall, dry_run: DryRun, num_samples: int) -> bool:
    """Whether a random call may be the model's way to answer: random weights, or many answers a sample.

    Augmentation and noise draw a number, a row, or one for each sample or each of its values.
    """
    shape = call.shape
    if shape[:1] in {(num_samples,), (1,)} or len(shape) < 2:
        return False
    return all(shape != tuple(each.shape[1:]) for each in tensors_in(dry_run.inputs))
