"""The examination: each probe in its turn, in the order in which training would meet the mistakes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.batches import num_items, split_batch
from practicezoo.diagnostics.attempt import attempt, failure, run_probe
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.activations import find_dead, find_scale
from practicezoo.diagnostics.probes.batches import find_in_inputs, find_in_targets, read_batch
from practicezoo.diagnostics.probes.criterion import find_in_criterion
from practicezoo.diagnostics.probes.evaluation import find_in_evaluation
from practicezoo.diagnostics.probes.forward import find_batch_of_one, find_in_forward
from practicezoo.diagnostics.probes.gradients import find_in_gradients
from practicezoo.diagnostics.probes.hooks import find_erasing_hooks
from practicezoo.diagnostics.probes.labels import find_shuffled_labels
from practicezoo.diagnostics.probes.learning import find_no_learning
from practicezoo.diagnostics.probes.loaders import find_order, find_unpicklable
from practicezoo.diagnostics.probes.losses import find_ignored_class
from practicezoo.diagnostics.probes.mixing import find_mixed_samples
from practicezoo.diagnostics.probes.nonlinearity import find_no_nonlinearity
from practicezoo.diagnostics.probes.norms import find_moving_norms
from practicezoo.diagnostics.probes.optimizers import find_in_optimizers
from practicezoo.diagnostics.probes.randomness import find_random_evaluation
from practicezoo.diagnostics.probes.reach import find_out_of_reach
from practicezoo.diagnostics.probes.scales import (
    find_large_first_loss,
    find_small_targets,
    find_target_scale,
)
from practicezoo.diagnostics.probes.schedulers import find_in_schedulers
from practicezoo.diagnostics.probes.splits import find_one_class, find_other_scale, find_overlap
from practicezoo.diagnostics.reading import all_targets, batches, last_batch_size, stacks_samples
from practicezoo.diagnostics.trial import Trial, plan_updates

__all__ = ["examine", "examine_learning"]

READING_FAILS = Finding(
    "loader-fails",
    "the loader failed at its first batch",
    "try dataset[0] alone; samples of different lengths need a collate_fn such as pad_collate",
)
COPYING_FAILS = Finding(
    "copy-fails",
    "the program cannot be copied to try it",
    "keep what cannot be copied out of the model and the batch",
)
BACKWARD_FAILS = Finding(
    "backward-fails",
    "the loss cannot be differentiated",
    "change no tensor in place that the gradient needs (x = x + 1 instead of x += 1)",
)
EVALUATION_FAILS = Finding(
    "evaluation-fails",
    "the model runs in training mode, but not in evaluation mode",
    "look at what forward does if self.training is False",
)
COMPARING_FAILS = Finding(
    "loader-fails",
    "reading the batches to compare labels failed",
    "go through both loaders once without training",
)


def examine(
    model: nn.Module,
    loader: Iterable[Any],
    criterion: Any,
    optimizers: Sequence[Optimizer],
    val_loader: Iterable[Any] | None,
    *,
    schedulers: Sequence[LRScheduler],
    epochs: int | None,
) -> Iterator[Finding]:
    """What is wrong, in the order in which training would meet it; changes loaders and random numbers."""
    yield from find_in_optimizers(model, criterion, optimizers)
    num_batches, _ = attempt(len, loader)
    find_schedulers = partial(find_in_schedulers, epochs=epochs, num_batches=num_batches)
    yield from _tried(find_schedulers, schedulers, optimizers)
    yield from find_unpicklable(loader)
    batch = yield from run_probe(read_batch, loader, fails=READING_FAILS)
    if batch is None:
        return
    yield from find_order(loader)
    dry_run, error = attempt(DryRun.of, model, criterion, batch)
    if error is not None:
        yield failure(COPYING_FAILS, error)
        return
    num_samples = num_items(dry_run.targets)
    yield from find_in_inputs(dry_run.inputs, num_samples)
    yield from find_in_targets(dry_run.targets)
    yield from find_batch_of_one(dry_run, num_samples, last_batch_size(loader))
    yield from find_in_forward(dry_run)
    if dry_run.outputs is None:
        return
    yield from _tried(find_moving_norms, dry_run, model)
    yield from find_scale(dry_run.layers, dry_run.inputs)
    yield from find_dead(dry_run.rectified)
    yield from find_in_criterion(dry_run, all_targets(loader))
    yield from _tried(find_out_of_reach, dry_run)
    for index, call in enumerate(dry_run.loss_calls):
        yield from _tried(find_ignored_class, call, dry_run.targets)
        yield from _tried(find_small_targets, call, dry_run.targets)
        yield from _tried(find_large_first_loss, dry_run, index)
    yield from _tried(find_one_class, loader, dry_run.loss_calls)
    if optimizers and any(call.kind == "difference" for call in dry_run.loss_calls):
        yield from _tried(lambda: find_target_scale(Trial.of(model, criterion, batch, optimizers)))
    yield from run_probe(find_in_gradients, dry_run, optimizers, fails=BACKWARD_FAILS)
    evaluate = partial(find_in_evaluation, validates=val_loader is not None)
    yield from run_probe(evaluate, dry_run, fails=EVALUATION_FAILS)
    yield from _tried(find_random_evaluation, dry_run, num_samples)
    yield from _tried(partial(find_mixed_samples, stacked=stacks_samples(loader)), dry_run, num_samples)
    yield from _tried(find_no_nonlinearity, dry_run, num_samples)
    if val_loader is not None:
        yield from run_probe(find_shuffled_labels, loader, val_loader, fails=COMPARING_FAILS)
        yield from _tried(find_overlap, loader, val_loader)
        yield from _tried(find_other_scale, dry_run.inputs, val_loader)


def examine_learning(
    model: nn.Module,
    loader: Iterable[Any],
    criterion: Any,
    optimizers: Sequence[Optimizer],
    *,
    allowed: float,
) -> list[Finding] | None:
    """Whether updates on one batch lower its loss, for a program in which nothing else was found.

    Args:
        model: the program's.
        loader: the program's.
        criterion: the program's.
        optimizers: the program's.
        allowed: multiply-adds that the updates may take.

    Returns:
        The findings; None if the updates would take more than is allowed.
    """
    batch = next(batches(loader), None)
    if batch is None or not optimizers:
        return []
    make = partial(Trial.of, model, criterion, split_batch(batch), optimizers)
    trial, error = attempt(make)
    if error is not None:
        return []
    if found := _tried(find_erasing_hooks, trial, optimizers):
        return found
    plan, error = attempt(plan_updates, trial, allowed)
    if plan is None:
        return [] if error is not None else None
    return _tried(find_no_learning, partial(make, num_samples=plan.num_samples), plan.num_updates)


def _tried(probe: Callable[..., Iterator[Finding]], *args: Any) -> list[Finding]:
    """The findings of a probe that tries more than training would: where that fails, it has none."""
    return attempt(lambda: list(probe(*args))).result or []
