"""Mistakes that show when a batch goes through the model again, without gradients."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from practicezoo.batches import call_model
from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.dry_run import DryRun, tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.runtime.preserve import preserve_training_mode

__all__ = ["find_in_evaluation"]

ROUNDING = 1e-3
NEEDS_GRADIENTS = Finding(
    "evaluation-fails",
    "the model differentiates in forward, and validation computes without gradients",
    "compute what is differentiated under torch.enable_grad()",
)


def find_in_evaluation(dry_run: DryRun, *, validates: bool) -> Iterator[Finding]:
    """An error in evaluation mode, outputs that depend on the padding or on nothing at all.

    A model that differentiates in forward, as physics-informed networks do, may be one that only trains.
    """
    _, error = attempt(dry_run.evaluated, dry_run.inputs)
    if error is not None and _runs_with_gradients(dry_run):
        if validates:
            yield NEEDS_GRADIENTS
        return
    if error is not None:
        raise error
    yield from _find_padding_read(dry_run)
    yield from _find_constant_output(dry_run)


def _runs_with_gradients(dry_run: DryRun) -> bool:
    with preserve_training_mode(dry_run.model):
        return attempt(call_model, dry_run.model.eval(), copy.deepcopy(dry_run.inputs)).error is None


def _find_padding_read(dry_run: DryRun) -> Iterator[Finding]:
    """Outputs that change with the padding behind a sequence's end."""
    inputs = dry_run.inputs
    if not (hasattr(inputs, "lengths") and hasattr(inputs, "data") and hasattr(inputs, "_replace")):
        return
    more = inputs.data.new_zeros(len(inputs.data), 3, *inputs.data.shape[2:])
    outputs = dry_run.evaluated(inputs)
    again = dry_run.evaluated(inputs._replace(data=torch.cat([inputs.data, more], dim=1)))
    if isinstance(outputs, Tensor) and outputs.shape == again.shape:
        difference = (outputs - again).abs().max()
        if bool(difference > ROUNDING * outputs.abs().max()):
            yield Finding(
                "padding-read",
                f"three more steps of padding change the outputs, by up to {float(difference):.2g}: a "
                "sequence's result depends on the others in its batch",
                "pack the sequences before a recurrent layer, and leave padding out of means and maxima",
            )


def _find_constant_output(dry_run: DryRun) -> Iterator[Finding]:
    """Outputs that are the same for all samples, and stay so with other weights."""
    vary = any(bool((each != each[:1]).any()) for each in tensors_in(dry_run.inputs) if each.ndim)
    if not vary or not _is_constant(dry_run.steady()):
        return
    # a last layer that starts at zero is no mistake: a nudge brings it to life
    dry_run.nudge()
    if _is_constant(dry_run.steady()):
        yield Finding(
            "constant-output",
            "the outputs are the same for all samples of the batch",
            "check that forward uses its argument, that each layer gets the one before, that no softmax goes "
            "over a dimension of 1, and that a recurrent layer's last step is not padding: pack sequences",
        )


def _is_constant(outputs: Any) -> bool:
    """Whether all rows are equal, up to rounding."""
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point() or outputs.ndim == 0:
        return False
    if len(outputs) < 2:  # one row is always equal to itself
        return False
    difference = (outputs - outputs[:1]).abs().max()
    return bool(difference <= 1e-6 * outputs.abs().max())
