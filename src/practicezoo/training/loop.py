"""The training loop: a generator of updates, and ``fit`` around it."""

import math
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.arguments import check_count
from practicezoo.batches import check_loaders, no_batch
from practicezoo.metrics.loss import Criterion, nothing_counted
from practicezoo.metrics.metric import Function, Metric
from practicezoo.runtime.collectives import (
    any_rank,
    broadcast_tensors,
    check_equal_lengths,
    sum_over_ranks,
)
from practicezoo.runtime.loaders import loader_parts
from practicezoo.runtime.precision import Precision
from practicezoo.runtime.processes import is_main
from practicezoo.training.callbacks.callback import Callback, CallbackList
from practicezoo.training.checkpoints.resume import resume
from practicezoo.training.history import History
from practicezoo.training.interruption import interruptions
from practicezoo.training.parameters import warn_of_parameters
from practicezoo.training.progress import EpochBar
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run
from practicezoo.training.schedules import Interval, Schedules
from practicezoo.training.step import TrainStep
from practicezoo.training.validation import Validation

__all__ = ["fit", "train_epoch"]

LOSS_CHECK_EVERY = 50  # updates between looks at the loss: rare enough not to make a GPU wait


def train_epoch(step: TrainStep, loader: Iterable[Any], accumulate: int = 1) -> Iterator[StepResult]:
    """Train one epoch, update by update: the loop is yours.

    The model is set to training mode when the first update is asked for. Samplers that shuffle by epoch
    want their ``set_epoch`` called first; :func:`fit` does so.

    Args:
        step: what to do with the batches.
        loader: gives pairs of inputs and targets.
        accumulate: batches in an update. The last update takes what is left, at its right weight.

    Yields:
        The result of each update; its tensors stay on the device.

    Raises:
        ValueError: if ``accumulate`` is below 1, the loader gives no batch, or its length is not the same on
            every rank.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1)
        >>> step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
        >>> batches = [(torch.zeros(4, 2), torch.zeros(4, 1))] * 3
        >>> [result.num_items for result in train_epoch(step, batches, accumulate=2)]
        [8, 4]
    """
    check_count(accumulate=accumulate)
    if (yield from _updates(step, loader, accumulate)) == 0:
        raise no_batch()


def _updates(step: TrainStep, loader: Iterable[Any], accumulate: int) -> Generator[StepResult, None, int]:
    """An update for each window of batches; returns their number."""
    check_equal_lengths(loader)
    step.train_mode()
    window: list[Any] = []
    num_updates = 0
    for batch in loader:
        window.append(batch)
        if len(window) == accumulate:
            yield step(window)
            num_updates += 1
            window = []
    if window:
        yield step(window)
        num_updates += 1
    broadcast_tensors(step.model.buffers())  # what batch norm saw differs from rank to rank
    return num_updates


def fit(
    model: nn.Module,
    train_loader: Iterable[Any],
    *,
    criterion: Criterion,
    optimizer: Optimizer | Sequence[Optimizer],
    epochs: int,
    val_loader: Iterable[Any] | None = None,
    metrics: Mapping[str, Metric | Function] | None = None,
    lr_scheduler: LRScheduler | Sequence[LRScheduler] | None = None,
    lr_scheduler_interval: Interval = "auto",
    lr_scheduler_monitor: str | None = None,
    precision: Precision = "fp32",
    accumulate: int = 1,
    max_grad_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    resume_from: str | Path | None = None,
    progress: bool = True,
    capture: bool = False,
) -> History:
    """Train a model and measure it after each epoch; in one process, or in several alike.

    Args:
        model: any module; batches follow its device.
        train_loader: gives pairs of inputs and targets; its sampler's ``set_epoch`` is called if it
            has one.
        criterion: called with outputs and targets, returns a scalar.
        optimizer: one optimizer, or several.
        epochs: how many times to go through the loader.
        val_loader: measured after each epoch: the loss, and the metrics.
        metrics: what else to measure on ``val_loader``, by name.
        lr_scheduler: one scheduler, or several.
        lr_scheduler_interval: whether schedulers step after each "update" or each "epoch". "auto" follows
            torch's documentation: OneCycleLR and CyclicLR step after each update, all others after each
            epoch. A ``ReduceLROnPlateau`` steps after each epoch in any case.
        lr_scheduler_monitor: the history's value for ``ReduceLROnPlateau``; default: "val_loss", or
            "train_loss" without a ``val_loader``.
        precision: "fp32", "bf16" or "fp16"; see :class:`TrainStep`.
        accumulate: batches in an update; equal to one batch of them all (batch norm and dropout, which
            look at a batch or sample random numbers, still see each by itself).
        max_grad_norm: clips the gradient's norm to this.
        callbacks: called after each update and each epoch, in this order, a :class:`Checkpointer` last.
        resume_from: a folder of a :class:`Checkpointer`: the run resumes from the newest good checkpoint
            there, within an epoch with the batches that were left of it; without one it starts at epoch 1.
            Or one of its files. Everything else must be given as before; ``epochs`` may be greater.
        progress: shows a bar and a line for each epoch, on a terminal or in a notebook only.
        capture: makes updates by CUDA graphs, with the same results; see :class:`TrainStep`.

    Returns:
        The history, with "train_loss" (mean over the epoch's items, as they were trained),
        "learning_rate" (of the epoch's last update), "grad_norm" (before clipping, the mean over the epoch's
        updates) where it is measured, "seconds" (of training and measuring), and "val_loss" and "val_NAME"
        for each metric if there is a ``val_loader``.

    Raises:
        ValueError: if ``epochs`` or ``accumulate`` is below 1, a loader gives no batch, metrics come
            without a ``val_loader``, a callback monitors what is not measured, a class index is out of range
            (see :class:`TrainStep`), or the checkpoint is damaged or of another run.
        TypeError: if a batch is not a pair, ``epochs`` or ``accumulate`` is no integer, or a loader, the
            callbacks or the metrics are something else.
        FloatingPointError: if the loss is NaN or infinite; the message names epoch, updates and
            learning rate.
        KeyboardInterrupt: after Ctrl-C, with the history so far as ``error.history`` and a message that says
            how to resume.

    Example:
        >>> import torch
        >>> from practicezoo.data import TensorLoader
        >>> x = torch.tensor([[1.0], [2.0], [3.0]])
        >>> model = nn.Linear(1, 1)
        >>> history = fit(
        ...     model,
        ...     TensorLoader(x, 2 * x, batch_size=3),
        ...     criterion=nn.MSELoss(),
        ...     optimizer=torch.optim.SGD(model.parameters(), lr=0.05),
        ...     epochs=200,
        ... )
        >>> history["train_loss"][-1] < 0.05
        True
    """
    check_count(epochs=epochs, accumulate=accumulate)
    check_loaders(train_loader=train_loader, val_loader=val_loader)
    validation = Validation(val_loader, metrics, criterion)
    watchers = CallbackList(callbacks)
    clipped = () if max_grad_norm is None else ("grad_norm",)
    watchers.check_monitors(validation.measures("train_loss", "learning_rate", "seconds", *clipped))
    step = TrainStep(
        model, optimizer, criterion, precision=precision, max_grad_norm=max_grad_norm, capture=capture
    )
    schedules = Schedules(
        lr_scheduler,
        lr_scheduler_interval,
        optimizers=step.optimizers,
        epochs=epochs,
        monitor=lr_scheduler_monitor,
        measures=validation.measures("train_loss"),
        directions=validation.directions,
    )
    step.lr_schedulers = schedules.of_updates
    run = Run(
        step.model,
        step,
        epochs,
        train_loader=train_loader,
        val_loader=val_loader,
        accumulate=accumulate,
        lr_schedulers=schedules.all,
        lr_scheduler_interval=lr_scheduler_interval,
        callbacks=watchers.callbacks,
    )
    run.history.directions |= validation.directions
    schedules.check_length(run.num_updates_in_all())
    warn_of_parameters(step.model, criterion, step.optimizers)
    if resume_from is not None:
        resume(run, resume_from)
    with interruptions(run), run.resources:
        watchers.call("on_run_start", run)
        _warn_of_early_stop(run)
        while not run.is_finished:
            _run_epoch(run, watchers, validation, schedules, show=progress)
        watchers.call("on_run_end", run)
    return run.history


def _warn_of_early_stop(run: Run) -> None:
    """Say why a resumed run is not trained on."""
    if run.is_finished and run.epoch < run.epochs:
        warnings.warn(
            f"the run stopped early after epoch {run.epoch}, asked by {run.stopped_by or 'its program'}: "
            "nothing is trained; leave that callback out, or give it more patience, to train on",
            stacklevel=3,
        )


def _run_epoch(
    run: Run, watchers: CallbackList, validation: Validation, schedules: Schedules, *, show: bool
) -> None:
    """Train, measure, end the epoch, and tell the callbacks."""
    run.begin_epoch()
    with EpochBar(run, show=show and is_main()) as bar:
        values = {"train_loss": _train(run, watchers, bar)}
        values["learning_rate"] = float(run.step.last_learning_rate)
        if run.step.max_grad_norm is not None:
            values["grad_norm"] = run.grad_norms.mean()
        values |= validation.measure(run)
        values["seconds"] = run.seconds
        schedules.step_after_epoch(values, is_last=run.epoch == run.epochs)
        run.end_epoch(values)
        bar.finish()
    run.should_stop = any_rank(run.should_stop)  # what was set on one rank while it trained
    watchers.call("on_epoch_end", run)
    run.should_stop = any_rank(run.should_stop)
    watchers.call("on_checkpoint", run)


def _train(run: Run, watchers: CallbackList, bar: EpochBar) -> float:
    """Train one epoch, or what is left of it; returns the mean loss over its items."""
    _set_epoch(run.train_loader, run.epoch)
    checked = run.epoch_updates
    are_watching = watchers.has_hook("on_step_end") or watchers.has_hook("on_checkpoint")
    for result in _updates(run.step, run.batches(), run.accumulate):
        run.losses.add(result.loss, result.weight)
        if result.grad_norm is not None:
            run.grad_norms.add(result.grad_norm, 1)
        run.num_updates += 1
        run.epoch_updates += 1
        if are_watching:
            watchers.call("on_step_end", run, result)
            watchers.call("on_checkpoint", run)
        if run.epoch_updates % LOSS_CHECK_EVERY == 0:
            _read_loss(run, checked + 1)
            checked = run.epoch_updates
        bar.advance(result.num_items)
    if run.epoch_updates == 0:
        raise no_batch()
    loss_sum, weight = _read_loss(run, checked + 1)
    mean = float(loss_sum / weight)
    if math.isnan(mean):  # a finite sum divided by nothing
        raise nothing_counted()
    return mean


def _read_loss(run: Run, first: int) -> tuple[Tensor | float, Tensor | float]:
    """The losses and weights so far of all ranks; FloatingPointError on each if one's is not finite."""
    loss_sum, weight = sum_over_ranks(*run.losses.totals())
    if not math.isfinite(loss_sum):
        raise run.divergence("the loss", float(loss_sum), f"between updates {first} and {run.epoch_updates}")
    return loss_sum, weight


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell samplers that shuffle by epoch which one this is."""
    for part in loader_parts(loader):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
