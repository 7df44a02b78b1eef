"""Outputs that differ from one evaluation to the next."""

from collections.abc import Iterator

import torch
from torch import Tensor

from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding

__all__ = ["find_random_evaluation"]

DIFFERS = 1e-3  # of the largest output


def find_random_evaluation(dry_run: DryRun, num_samples: int) -> Iterator[Finding]:
    """Two passes in evaluation mode, with other random numbers.

    A model that returns more than one tensor, such as a variational one, samples on purpose, and so does one
    whose noise has the shape of its weights.
    """
    outputs, recorder = dry_run.observed(dry_run.inputs)
    if not recorder.random_calls or not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        return
    again, other = dry_run.evaluated(dry_run.inputs), dry_run.evaluated(dry_run.inputs, seed=1)
    if not torch.equal(outputs, again) or outputs.shape != other.shape:  # a state, not a random number
        return
    difference, scale = float((outputs - other).abs().max()), float(outputs.abs().max())
    if not difference > DIFFERS * scale:
        return
    calls = recorder.random_calls
    if dropouts := [call for call in calls if call.drops]:
        call = dropouts[0]
        fix = (
            "give dropout_p only if self.training: dropout_p=self.dropout if self.training else 0.0"
            if call.name == "scaled_dot_product_attention"
            else f"F.{call.name}(..., training=self.training), or a module such as nn.Dropout"
        )
    elif all(call.shape[:1] == (num_samples,) for call in calls):
        call, fix = calls[0], "add noise only in training: if self.training"
    else:
        return
    yield Finding(
        "evaluation-random",
        f"two passes of one batch in evaluation mode differ by up to {difference:.2g} (the outputs reach "
        f"{scale:.2g}): {call.name} in {call.where} draws random numbers there too",
        fix,
    )
