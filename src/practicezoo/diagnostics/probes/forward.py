"""Mistakes that keep a batch from going through the model."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding, one_line
from practicezoo.diagnostics.recorder import IndexOutOfRangeError

__all__ = ["find_batch_of_one", "find_in_forward"]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def find_batch_of_one(dry_run: DryRun, num_samples: int, last_size: int | None) -> Iterator[Finding]:
    """Batch norm over a batch of one: always, or at the end of each epoch."""
    if not any(isinstance(module, BATCH_NORMS) and module.training for module in dry_run.model.modules()):
        return
    if num_samples == 1:
        yield Finding(
            "batch-norm-of-one",
            "batch norm takes mean and standard deviation over a batch, and the batches have one sample",
            "take a larger batch_size, or nn.GroupNorm or nn.LayerNorm",
        )
    elif last_size == 1 and isinstance(dry_run.inputs, Tensor):
        _, error = attempt(dry_run.model, dry_run.inputs[:1].clone())
        # any other error the whole batch will raise, too
        if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
            yield Finding(
                "last-batch-of-one",
                "the last batch of an epoch has a single sample, for which batch norm fails",
                "leave it out with drop_last=True, or take another batch_size",
            )


def find_in_forward(dry_run: DryRun) -> Iterator[Finding]:
    """Run the model, after an error with inputs of its own type."""
    _, error = attempt(dry_run.forward, dry_run.inputs)
    if error is None:
        return
    where = dry_run.where()
    if isinstance(error, IndexOutOfRangeError):
        yield Finding(
            "ids-out-of-range",
            f"an embedding in {where} failed: {error}",
            "give the embedding as many rows as there are ids, padding included",
        )
    elif (converted := _converted(dry_run)) is not None and attempt(dry_run.forward, converted).error is None:
        given, dtype = dry_run.inputs.dtype, converted.dtype
        dry_run.inputs = converted
        yield Finding(
            "input-dtype",
            f"the inputs are {_name(given)}, the model computes in {_name(dtype)}",
            "scale the images: images.float() / 255, less their mean, divided by their standard deviation"
            if given == torch.uint8
            else f"let the data set give inputs.to({dtype})",
        )
    else:
        yield Finding(
            "forward-fails",
            f"the model failed in {where}: {one_line(error)}",
            f"print the shape and the type of what {where} is given",
        )


def _converted(dry_run: DryRun) -> Tensor | None:
    """The inputs in the type of the model's parameters, if they have another."""
    dtype = next((each.dtype for each in dry_run.model.parameters() if each.is_floating_point()), None)
    if dtype is None or not isinstance(dry_run.inputs, Tensor) or dry_run.inputs.dtype == dtype:
        return None
    return dry_run.inputs.to(dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
