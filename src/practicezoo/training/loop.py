"""The training loop: a generator of updates, and ``fit`` around it."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.training.callbacks import Callback, Run
from practicezoo.training.distributed import (
    any_rank,
    broadcast_from_main,
    check_equal_lengths,
    is_main,
    sum_over_ranks,
)
from practicezoo.training.evaluation import evaluate
from practicezoo.training.history import History
from practicezoo.training.metrics import Metric
from practicezoo.training.progress import EpochBar
from practicezoo.training.step import Precision, StepResult, TrainStep, check_instances
from practicezoo.training.weighing import Criterion, LossSum

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
        ValueError: if ``accumulate`` is below 1 or the loader gives no batch.

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 1)
        >>> step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
        >>> batches = [(torch.zeros(4, 2), torch.zeros(4, 1))] * 3
        >>> [result.num_items for result in train_epoch(step, batches, accumulate=2)]
        [8, 4]
    """
    _check_accumulate(accumulate)
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
    elif num_updates == 0:
        raise ValueError("loader must give at least one batch, got none")
    broadcast_from_main(step.model.buffers())  # what batch norm saw differs from rank to rank


def fit(
    model: nn.Module,
    train_loader: Iterable[Any],
    *,
    criterion: Criterion,
    optimizer: Optimizer | Sequence[Optimizer],
    epochs: int,
    val_loader: Iterable[Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    lr_scheduler: LRScheduler | None = None,
    precision: Precision = "fp32",
    accumulate: int = 1,
    max_grad_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> History:
    """Train a model and measure it after each epoch.

    Args:
        model: any module; batches follow its device.
        train_loader: gives pairs of inputs and targets; its sampler's ``set_epoch`` is called if it
            has one.
        criterion: called with outputs and targets, returns a scalar.
        optimizer: one optimizer, or several.
        epochs: how many times to go through the loader.
        val_loader: measured after each epoch: the loss, and the metrics.
        metrics: what else to measure on ``val_loader``, by name.
        lr_scheduler: stepped after each update.
        precision: "fp32", "bf16" or "fp16"; see :class:`TrainStep`.
        accumulate: batches in an update; equal to one batch of them all (batch norm and dropout, which
            look at a batch or draw random numbers, still see each by itself).
        max_grad_norm: clips the gradient's norm to this.
        callbacks: called after each update and each epoch, in this order.
        progress: shows a bar and a line for each epoch, on a terminal or in a notebook only.

    Returns:
        The history, with "train_loss" (mean over the epoch's items, as they were trained),
        "learning_rate" (at the epoch's end), "seconds" (of training and measuring), and "val_loss"
        and "val_NAME" for each metric if there is a ``val_loader``.

    Raises:
        ValueError: if ``epochs`` or ``accumulate`` is below 1, a loader gives no batch, metrics come
            without a ``val_loader``, or a class index is out of range (see :class:`TrainStep`).
        TypeError: if a batch is not a pair.
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
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    _check_accumulate(accumulate)
    if metrics and val_loader is None:
        raise ValueError(f"metrics are measured on val_loader, which must be given for {', '.join(metrics)}")
    for callback in callbacks:
        check_instances(callbacks=callback)
    step = TrainStep(
        model,
        optimizer,
        criterion,
        lr_scheduler=lr_scheduler,
        precision=precision,
        max_grad_norm=max_grad_norm,
    )
    model = step.model
    run = Run(model, step, epochs)
    for epoch in range(1, epochs + 1):
        run.epoch = epoch
        started = time.perf_counter()
        _set_epoch(train_loader, epoch)
        total = _num_updates(train_loader, accumulate)
        with EpochBar(f"epoch {epoch}/{epochs}", total=total, show=progress and is_main()) as bar:
            values = {"train_loss": _train(run, train_loader, accumulate, callbacks, bar)}
            values["learning_rate"] = step.learning_rate
            if val_loader is not None:
                measured = evaluate(
                    model, val_loader, criterion=criterion, metrics=metrics, precision=precision
                )
                if not math.isfinite(measured["loss"]):
                    raise _divergence("val_loss", measured["loss"], run, f"after update {run.num_updates}")
                values |= {f"val_{name}": value for name, value in measured.items()}
            values["seconds"] = time.perf_counter() - started
            run.history.append(values)
            bar.finish(epoch_line(run))
        run.should_stop = any_rank(run.should_stop)
        for callback in callbacks:
            _call(callback, "on_epoch_end", run)
        if any_rank(run.should_stop):
            break
    return run.history


def epoch_line(run: Run) -> str:
    """The last epoch's values in one line."""
    shown = {name: value for name, value in run.history.last().items() if name != "seconds"}
    values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
    number = f"{run.epoch:>{len(str(run.epochs))}}/{run.epochs}"
    return f"epoch {number}  {values}  {run.history['seconds'][-1]:.1f} s"


def _train(
    run: Run, loader: Iterable[Any], accumulate: int, callbacks: Sequence[Callback], bar: EpochBar
) -> float:
    """Train one epoch; returns the mean loss over its items."""
    losses = LossSum()
    checked = 0
    for number, result in enumerate(train_epoch(run.step, loader, accumulate=accumulate), start=1):
        losses.add(result.loss, result.weight)
        run.num_updates += 1
        for callback in callbacks:
            _call(callback, "on_step_end", run, result)
        if number % LOSS_CHECK_EVERY == 0:
            _totals(losses, run, checked + 1, number)
            checked = number
        bar.advance(result.num_items, losses)
    loss_sum, weight = _totals(losses, run, checked + 1, number)
    return float(loss_sum / weight)


def _check_accumulate(accumulate: int) -> None:
    if accumulate < 1:
        raise ValueError(f"accumulate must be at least 1, got {accumulate}")


def _totals(losses: LossSum, run: Run, first: int, last: int) -> tuple[Tensor | float, Tensor | float]:
    """All ranks' losses and weights so far; FloatingPointError on each rank if one's is no number."""
    loss_sum, weight = sum_over_ranks(*losses.totals())
    if not math.isfinite(loss_sum):
        raise _divergence("the loss", float(loss_sum), run, f"between updates {first} and {last}")
    return loss_sum, weight


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


def _num_updates(loader: Iterable[Any], accumulate: int) -> int | None:
    try:
        return math.ceil(len(loader) / accumulate)  # type: ignore[arg-type]
    except TypeError:  # an iterable without a length
        return None


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell samplers that shuffle by epoch which one this is."""
    parts: tuple[Any, ...] = (
        loader,
        getattr(loader, "sampler", None),
        getattr(loader, "batch_sampler", None),
    )
    for part in parts:
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
