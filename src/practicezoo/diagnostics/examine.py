"""The examination: each probe in its turn, and what failed as a finding."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.batches import num_items, split_batch
from practicezoo.diagnostics.dry_run import DryRun, one_line
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.activations import (
    find_constant_output,
    find_dead,
    find_padding_read,
    find_scale,
)
from practicezoo.diagnostics.probes.batches import find_in_inputs, find_in_targets
from practicezoo.diagnostics.probes.gradients import find_in_gradients
from practicezoo.diagnostics.probes.labels import find_shuffled_labels
from practicezoo.diagnostics.probes.loaders import (
    all_targets,
    batches,
    find_order,
    find_unpicklable,
    last_batch_size,
)
from practicezoo.diagnostics.probes.losses import find_in_call, find_in_criterion, find_in_loss
from practicezoo.diagnostics.probes.misfits import MISFITS
from practicezoo.diagnostics.probes.optimizers import find_in_optimizers
from practicezoo.diagnostics.recorder import Refused

__all__ = ["examine"]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def examine(
    model: nn.Module,
    loader: Iterable[Any],
    criterion: Any,
    optimizers: Sequence[Optimizer],
    val_loader: Iterable[Any] | None,
) -> Iterator[Finding]:
    """What is wrong, in the order in which training would meet it; draws from loaders and random numbers."""
    yield from find_in_optimizers(model, criterion, optimizers)
    yield from find_unpicklable(loader)
    batch = yield from _read(loader)
    if batch is None:
        return
    yield from find_order(loader)
    try:
        dry_run = DryRun.of(model, criterion, batch)
    except Exception as error:  # any code of the user's may run in a copy
        yield Finding(
            "copy-fails",
            f"the program cannot be copied to try it: {one_line(error)}",
            "keep what cannot be copied out of the model and the batch",
        )
        return
    num_samples = num_items(dry_run.targets)
    yield from find_in_inputs(dry_run.inputs, num_samples)
    yield from find_in_targets(dry_run.targets)
    yield from _find_batch_of_one(dry_run, num_samples, last_batch_size(loader))
    yield from _run_forward(dry_run)
    if dry_run.outputs is None:
        return
    yield from find_scale(dry_run.layers, dry_run.inputs)
    yield from find_dead(dry_run.rectified)
    yield from _run_criterion(dry_run, all_targets(loader))
    yield from _run_backward(dry_run, optimizers)
    yield from _run_evaluation(dry_run)
    if val_loader is not None:
        yield from _compare_labels(loader, val_loader)


def _read(loader: Any) -> Generator[Finding, None, Any]:
    """The loader's first batch, if it is one."""
    try:
        batch = next(batches(loader), None)
    except Exception as error:  # reading is the user's code
        yield Finding(
            "loader-fails",
            f"the loader failed at its first batch: {one_line(error)}",
            "try dataset[0] alone; samples of different lengths need a collate_fn such as pad_collate",
        )
        return None
    if batch is None:
        yield Finding(
            "no-batch",
            "the loader gave no batch",
            "see that there is data, and with drop_last=True at least one batch of it",
        )
        return None
    try:
        pair = split_batch(batch)
    except TypeError as error:
        yield Finding(
            "batch-not-a-pair", str(error), "let the data set return (inputs, target) for each sample"
        )
        return None
    try:
        num_items(pair[1])
    except TypeError as error:
        yield Finding(
            "target-type", str(error), "turn labels into numbers: their places in a list of classes"
        )
        return None
    return pair


def _find_batch_of_one(dry_run: DryRun, num_samples: int, last_size: int | None) -> Iterator[Finding]:
    """Batch norm over a batch of one: always, or at the end of each epoch."""
    if not any(isinstance(module, BATCH_NORMS) and module.training for module in dry_run.model.modules()):
        return
    if num_samples == 1:
        yield Finding(
            "batch-norm-of-one",
            "batch norm takes mean and deviation over a batch, and the batches have one sample",
            "take a larger batch_size, or nn.GroupNorm or nn.LayerNorm",
        )
    elif last_size == 1 and isinstance(dry_run.inputs, Tensor):
        try:
            dry_run.model(dry_run.inputs[:1].clone())
        except ValueError as error:
            if "more than 1 value per channel" in str(error):
                yield Finding(
                    "last-batch-of-one",
                    "the last batch of an epoch has a single sample, for which batch norm fails",
                    "leave it out with drop_last=True, or take another batch_size",
                )
        except Exception:  # the whole batch will tell
            return


def _run_forward(dry_run: DryRun) -> Iterator[Finding]:
    try:
        dry_run.forward(dry_run.inputs)
    except Refused as error:
        yield Finding(
            "ids-out-of-range",
            f"an embedding in {dry_run.where()} failed: {error}",
            "give the embedding as many rows as there are ids, padding included",
        )
    except Exception as error:  # the model is the user's code
        where, message = dry_run.where(), one_line(error)
        dtype = next((each.dtype for each in dry_run.model.parameters() if each.is_floating_point()), None)
        if _runs_with(dry_run, dtype):
            given = str(dry_run.inputs.dtype).removeprefix("torch.")
            dry_run.inputs = dry_run.inputs.to(dtype)
            yield Finding(
                "input-dtype",
                f"the inputs are {given}, the model computes in {str(dtype).removeprefix('torch.')}",
                "scale the images: images.float() / 255, less their mean, divided by their deviation"
                if given == "uint8"
                else f"convert them: inputs.to({dtype})",
            )
        else:
            yield Finding(
                "forward-fails",
                f"the model failed in {where}: {message}",
                f"print the shape and the type of what {where} is given",
            )


def _runs_with(dry_run: DryRun, dtype: torch.dtype | None) -> bool:
    """Whether the model runs once its inputs have its own type."""
    if dtype is None or not isinstance(dry_run.inputs, Tensor) or dry_run.inputs.dtype == dtype:
        return False
    try:
        dry_run.forward(dry_run.inputs.to(dtype))
    except Exception:  # then the type is not the cause
        return False
    return True


def _run_criterion(dry_run: DryRun, targets: Tensor | None) -> Iterator[Finding]:
    found = list(find_in_criterion(dry_run))
    if not found:
        failure = None
        try:
            dry_run.compute_loss()
        except Exception as error:  # the criterion may be the user's code
            failure = one_line(error)
        found = [finding for call in dry_run.loss_calls for finding in find_in_call(call, targets)]
        if failure is None:
            found += find_in_loss(dry_run)
        elif not [finding for finding in found if finding.code not in MISFITS]:
            found.append(
                Finding(
                    "criterion-fails",
                    f"the criterion failed: {failure}",
                    "print the shapes and types of outputs and targets",
                )
            )
    yield from {finding.code: finding for finding in reversed(found)}.values()


def _run_backward(dry_run: DryRun, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    loss = dry_run.loss
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        return
    try:
        yield from list(find_in_gradients(dry_run, optimizers))
    except Exception as error:  # a function of the user's own may have a backward
        yield Finding(
            "backward-fails",
            f"the loss cannot be differentiated: {one_line(error)}",
            "change no tensor in place that the gradient needs (x = x + 1 instead of x += 1)",
        )


def _run_evaluation(dry_run: DryRun) -> Iterator[Finding]:
    try:
        dry_run.evaluated(dry_run.inputs)
        yield from list(find_padding_read(dry_run))
        yield from list(find_constant_output(dry_run))
    except Exception as error:  # the model is the user's code
        yield Finding(
            "evaluation-fails",
            f"the model runs in training mode, but not in evaluation mode: {one_line(error)}",
            "look at what forward does if self.training is False",
        )


def _compare_labels(loader: Any, val_loader: Any) -> Iterator[Finding]:
    try:
        yield from list(find_shuffled_labels(loader, val_loader))
    except Exception as error:  # reading is the user's code
        yield Finding(
            "loader-fails",
            f"reading the batches to compare labels failed: {one_line(error)}",
            "go through both loaders once without training",
        )
