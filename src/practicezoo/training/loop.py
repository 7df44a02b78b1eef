"""The training loop: a generator of updates, and ``fit`` around it."""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.arguments import as_list, check_count, check_instances
from practicezoo.metrics.loss import Criterion
from practicezoo.metrics.metric import Metric
from practicezoo.runtime.collectives import any_rank, broadcast_tensors, check_equal_lengths, sum_over_ranks
from practicezoo.runtime.loaders import loader_parts
from practicezoo.runtime.precision import Precision
from practicezoo.runtime.processes import is_main
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.callbacks.early_stopping import EarlyStopping
from practicezoo.training.checkpoints.checkpointer import Checkpointer
from practicezoo.training.checkpoints.resume import check_folders, resume
from practicezoo.training.evaluation import evaluate
from practicezoo.training.history import History
from practicezoo.training.progress import EpochBar
from practicezoo.training.run import Run
from practicezoo.training.schedules import (
    Interval,
    check_interval,
    is_per_epoch,
    step_after_epoch,
)
from practicezoo.training.step import StepResult, TrainStep

__all__ = ["epoch_line", "fit", "train_epoch"]

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
        raise _no_batch()


def _updates(step: TrainStep, loader: Iterable[Any], accumulate: int) -> Generator[StepResult, None, int]:
    """An update for each window of batches; returns their number."""
    check_equal_lengths(loader)
    step.model.train()
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
    metrics: Mapping[str, Metric] | None = None,
    lr_scheduler: LRScheduler | Sequence[LRScheduler] | None = None,
    lr_scheduler_interval: Interval = "update",
    precision: Precision = "fp32",
    accumulate: int = 1,
    max_grad_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    resume_from: str | Path | None = None,
    progress: bool = True,
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
        lr_scheduler: one schedule, or several.
        lr_scheduler_interval: whether schedules are stepped after each "update" or each "epoch". A
            ``ReduceLROnPlateau`` is stepped after each epoch in any case, with the epoch's "val_loss"
            ("train_loss" without a ``val_loader``).
        precision: "fp32", "bf16" or "fp16"; see :class:`TrainStep`.
        accumulate: batches in an update; equal to one batch of them all (batch norm and dropout, which
            look at a batch or draw random numbers, still see each by itself).
        max_grad_norm: clips the gradient's norm to this.
        callbacks: called after each update and each epoch, in this order, a :class:`Checkpointer` last.
        resume_from: a folder of a :class:`Checkpointer`: the run goes on from the newest good checkpoint
            there, within an epoch with the batches that were left of it; without one it starts anew. Or one
            of its files. Everything else must be given as before; ``epochs`` may be greater.
        progress: shows a bar and a line for each epoch, on a terminal or in a notebook only.

    Returns:
        The history, with "train_loss" (mean over the epoch's items, as they were trained),
        "learning_rate" (at the epoch's end), "seconds" (of training and measuring), and "val_loss"
        and "val_NAME" for each metric if there is a ``val_loader``.

    Raises:
        ValueError: if ``epochs`` or ``accumulate`` is below 1, a loader gives no batch, metrics come
            without a ``val_loader``, a callback monitors what is not measured, a class index is out of range
            (see :class:`TrainStep`), or the checkpoint is damaged or of another run.
        TypeError: if a batch is not a pair, ``epochs`` or ``accumulate`` is no integer, or a loader, the
            callbacks or the metrics are something else.
        FloatingPointError: if the loss is NaN or infinite; the message names epoch, updates and
            learning rate.

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
    _check_watchers(callbacks, metrics, has_validation=val_loader is not None)
    if metrics and val_loader is None:
        raise ValueError(f"metrics are measured on val_loader, which must be given for {', '.join(metrics)}")
    for name, loader in (("train_loader", train_loader), ("val_loader", val_loader)):
        if isinstance(loader, tuple) and loader and all(isinstance(part, Tensor) for part in loader):
            raise TypeError(f"{name} must give batches, as a TensorLoader of them does, got tensors")
    check_interval(lr_scheduler_interval)
    schedulers = as_list(lr_scheduler)
    per_epoch = [each for each in schedulers if is_per_epoch(each, lr_scheduler_interval)]
    step = TrainStep(
        model,
        optimizer,
        criterion,
        lr_scheduler=[each for each in schedulers if each not in per_epoch],
        precision=precision,
        max_grad_norm=max_grad_norm,
    )
    # a checkpoint holds the state of the others at the same moment
    checkpointers = [callback for callback in callbacks if isinstance(callback, Checkpointer)]
    callbacks = [*(callback for callback in callbacks if callback not in checkpointers), *checkpointers]
    model = step.model
    run = Run(
        model,
        step,
        epochs,
        train_loader=train_loader,
        accumulate=accumulate,
        lr_schedulers=schedulers,
        callbacks=callbacks,
    )
    if resume_from is not None:
        resume(run, resume_from)
    check_folders(run)
    while run.epoch_updates or (run.epoch < epochs and not run.should_stop):
        run.epoch += 1
        started = time.perf_counter() - run.seconds
        _set_epoch(train_loader, run.epoch)
        bar_shows = progress and is_main()
        with EpochBar(f"epoch {run.epoch}/{epochs}", total=_updates_left(run), show=bar_shows) as bar:
            values = {"train_loss": _train(run, bar, started), "learning_rate": step.learning_rate}
            if val_loader is not None:
                values |= _measure(run, val_loader, metrics)
            values["seconds"] = time.perf_counter() - started
            step_after_epoch(per_epoch, values)
            run.end_epoch(values)
            bar.finish(epoch_line(run))
        run.should_stop = any_rank(run.should_stop)
        for checkpointer in checkpointers:  # before a callback may put other weights back
            _call(checkpointer, "save_best", run)
        for callback in callbacks:
            _call(callback, "on_epoch_end", run)
            run.should_stop = any_rank(run.should_stop)  # the next one is to do the same on every rank
    return run.history


def _check_watchers(
    callbacks: Sequence[Callback], metrics: Mapping[str, Metric] | None, *, has_validation: bool
) -> None:
    """Raise an error for callbacks and metrics that would fail only when the first epoch has been trained."""
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"callbacks must be a list of callbacks, got {type(callbacks).__name__}")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must be a dict of metrics by name, got {type(metrics).__name__}")
    measured = ["val_loss", *(f"val_{name}" for name in metrics or ())] if has_validation else []
    names = ["train_loss", "learning_rate", "seconds", *measured]
    for callback in callbacks:
        check_instances(callbacks=callback)
        monitor = getattr(callback, "monitor", None) or "train_loss"
        if isinstance(callback, EarlyStopping | Checkpointer) and monitor not in names:
            missing = "" if has_validation else "; val_loader is not given"
            raise ValueError(
                f"{type(callback).__name__}'s monitor must be one of {', '.join(names)}, "
                f"got {monitor!r}{missing}"
            )


def epoch_line(run: Run) -> str:
    """The last epoch's values in one line."""
    shown = {name: value for name, value in run.history.last().items() if name != "seconds"}
    values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
    number = f"{run.epoch:>{len(str(run.epochs))}}/{run.epochs}"
    return f"epoch {number}  {values}  {run.history['seconds'][-1]:.1f} s"


def _train(run: Run, bar: EpochBar, started: float) -> float:
    """Train one epoch, or what is left of it; returns the mean loss over its items."""
    checked = run.epoch_updates
    for result in _updates(run.step, run.batches(), run.accumulate):
        run.losses.add(result.loss, result.weight)
        run.num_updates += 1
        run.epoch_updates += 1
        run.seconds = time.perf_counter() - started
        for callback in run.callbacks:
            _call(callback, "on_step_end", run, result)
        if run.epoch_updates % LOSS_CHECK_EVERY == 0:
            _totals(run, checked + 1)
            checked = run.epoch_updates
        bar.advance(result.num_items, run.losses)
    if run.epoch_updates == 0:
        raise _no_batch()
    loss_sum, weight = _totals(run, checked + 1)
    return float(loss_sum / weight)


def _measure(run: Run, val_loader: Iterable[Any], metrics: Mapping[str, Metric] | None) -> dict[str, float]:
    step = run.step
    measured = evaluate(
        run.model, val_loader, criterion=step.criterion, metrics=metrics, precision=step.precision
    )
    if not math.isfinite(measured["loss"]):
        raise _divergence("val_loss", measured["loss"], run, f"after update {run.num_updates}")
    return {f"val_{name}": value for name, value in measured.items()}


def _totals(run: Run, first: int) -> tuple[Tensor | float, Tensor | float]:
    """All ranks' losses and weights so far; FloatingPointError on each rank if one's is no number."""
    loss_sum, weight = sum_over_ranks(*run.losses.totals())
    if not math.isfinite(loss_sum):
        when = f"between updates {first} and {run.epoch_updates}"
        raise _divergence("the loss", float(loss_sum), run, when)
    return loss_sum, weight


def _no_batch() -> ValueError:
    return ValueError("loader must give at least one batch, got none")


def _divergence(what: str, value: float, run: Run, when: str) -> FloatingPointError:
    return FloatingPointError(
        f"{what} became {value} in epoch {run.epoch}, {when}, at learning rate "
        f"{run.step.learning_rate:.3g}: try a smaller learning rate or max_grad_norm"
    )


def _call(callback: Callback, hook: str, *arguments: Any) -> None:
    try:
        getattr(callback, hook)(*arguments)
    except Exception as error:
        error.add_note(f"raised by the callback {type(callback).__name__}.{hook}")
        raise


def _updates_left(run: Run) -> int | None:
    try:
        return math.ceil(len(run.train_loader) / run.accumulate) - run.epoch_updates  # type: ignore[arg-type]
    except TypeError:  # an iterable without a length
        return None


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell samplers that shuffle by epoch which one this is."""
    for part in loader_parts(loader):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
