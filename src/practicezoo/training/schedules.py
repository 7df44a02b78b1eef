"""When learning rates change: after each update, after each epoch, or when a value stops improving."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from practicezoo.arguments import as_list, check_choice, check_instances
from practicezoo.metrics.direction import Direction, Measures, known_direction

__all__ = [
    "Interval",
    "Schedules",
    "as_schedulers",
    "check_needs_no_value",
    "is_foreign",
    "list_schedulers",
    "steps_per_update",
]

Interval: TypeAlias = Literal["auto", "update", "epoch"]

OF_UPDATES = (OneCycleLR, CyclicLR)
OF_EPOCHS = (StepLR, MultiStepLR, ExponentialLR)
VANISHED = 1e-6  # of the learning rate at the start
ADVICE = 'lr_scheduler_interval="update" steps it after each update, "epoch" after each epoch'


class Schedules:
    """The schedulers of a run: those that step after each update, and those that step after each epoch.

    "auto" follows torch's own documentation: OneCycleLR and CyclicLR step after each update, also inside
    SequentialLR and ChainedScheduler, all others after each epoch. A ReduceLROnPlateau steps after each epoch
    in any case, with a value of the history.

    Args:
        lr_scheduler: none, one or several.
        interval: "auto", "update" or "epoch".
        optimizers: of the run.
        epochs: how many the run has.
        monitor: the value for ReduceLROnPlateau; None for "val_loss", or "train_loss" without validation.
        measures: that it may be one of.
        directions: of metrics that tell whether lower or higher is better.

    Raises:
        TypeError: if one is a class or has no ``step``.
        ValueError: if ``interval`` is unknown, a scheduler is of another optimizer, schedulers of updates and
            of epochs are mixed in one, or ``monitor`` is not measured or against the mode.
    """

    def __init__(
        self,
        lr_scheduler: LRScheduler | Sequence[LRScheduler] | None,
        interval: Interval,
        *,
        optimizers: Sequence[Optimizer],
        epochs: int,
        monitor: str | None,
        measures: Measures,
        directions: Mapping[str, Direction],
    ) -> None:
        check_choice(("auto", "update", "epoch"), lr_scheduler_interval=interval)
        self.all = as_schedulers(lr_scheduler, optimizers)
        self.epochs = epochs
        self.monitor = monitor or ("val_loss" if "val_loss" in measures else "train_loss")
        plateaus: list[Any] = [each for each in self.all if isinstance(each, ReduceLROnPlateau)]
        if monitor is not None and not plateaus:
            raise ValueError(
                f"lr_scheduler_monitor must be None without a ReduceLROnPlateau, which alone needs it, "
                f"got {monitor!r}"
            )
        for scheduler in plateaus:
            self._check_monitor(scheduler, measures, directions)
        self.of_updates = [
            each for each in self.all if each not in plateaus and steps_per_update(each, interval)
        ]
        self.of_epochs = [each for each in self.all if each not in self.of_updates]
        self._starts = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
        self._optimizers = list(optimizers)
        if interval == "auto":
            for scheduler in self.of_epochs:
                self._warn_of_horizon(scheduler)

    def check_length(self, num_updates: int | None) -> None:
        """Raise ValueError for a OneCycleLR that ends before the run's updates do."""
        if num_updates is None:
            return
        for each in (part for scheduler in self.of_updates for part in _parts(scheduler)):
            if isinstance(each, OneCycleLR) and each.total_steps < num_updates:
                raise ValueError(
                    f"lr_scheduler: OneCycleLR must have at least the run's {num_updates} updates as "
                    f"total_steps, got {each.total_steps}"
                )

    def step_after_epoch(self, values: Mapping[str, float], *, is_last: bool) -> None:
        """Step the schedulers of epochs, and look whether a learning rate has vanished before the end."""
        for scheduler in self.of_epochs:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(self._monitored(values))
            else:
                scheduler.step()
        if self.all and not is_last and self._starts:
            self._warn_of_vanished_rate()

    def _monitored(self, values: Mapping[str, float]) -> float:
        if self.monitor not in values:  # a metric may turn out to have several values
            raise ValueError(f"lr_scheduler_monitor must be one of {', '.join(values)}, got {self.monitor!r}")
        return values[self.monitor]

    def _warn_of_vanished_rate(self) -> None:
        rates = [group["lr"] for optimizer in self._optimizers for group in optimizer.param_groups]
        for start, rate in zip(self._starts, rates, strict=False):
            if 0 <= float(rate) < VANISHED * float(start):
                warnings.warn(
                    f"the learning rate is {float(rate):.3g} before the last epoch, below a millionth of its "
                    f"start {float(start):.3g}: nothing is learned any more; {ADVICE}",
                    stacklevel=4,
                )
                self._starts = []  # once
                return

    def _check_monitor(
        self, scheduler: ReduceLROnPlateau, measures: Measures, directions: Mapping[str, Direction]
    ) -> None:
        if self.monitor not in measures:
            raise ValueError(f"lr_scheduler_monitor must be one of {measures}, got {self.monitor!r}")
        direction = known_direction(self.monitor, directions)
        if direction is not None and direction != scheduler.mode:
            better = "lower" if direction == "min" else "higher"
            raise ValueError(
                f"lr_scheduler: ReduceLROnPlateau has mode={scheduler.mode!r}, and {better} is better for "
                f"{self.monitor!r}: set lr_scheduler_monitor to the value it is meant for, or its mode to "
                f"{direction!r}"
            )

    def _warn_of_horizon(self, scheduler: LRScheduler) -> None:
        """Warn of a scheduler whose own length fits updates rather than epochs."""
        for each in _parts(scheduler):
            horizon = _horizon(each)
            if horizon > self.epochs:
                warnings.warn(
                    f"{type(each).__name__} steps after each epoch and is made for {horizon:g} steps, but "
                    f"the run has {self.epochs} epochs; {ADVICE}",
                    stacklevel=4,
                )
                return
            if isinstance(each, LambdaLR) and _still_rises(each, self.epochs):
                warnings.warn(
                    f"LambdaLR steps after each epoch, and over the run's {self.epochs} epochs its factor "
                    f"only rises, as in a warm-up; {ADVICE}",
                    stacklevel=4,
                )
                return


def as_schedulers(lr_scheduler: Any, optimizers: Sequence[Optimizer]) -> list[LRScheduler]:
    """The schedulers as a list, each of one of the optimizers.

    Raises:
        TypeError: if one is a class or has no ``step``.
        ValueError: if one is of another optimizer.
    """
    schedulers = list_schedulers(lr_scheduler)
    for scheduler in schedulers:
        if is_foreign(scheduler, optimizers):
            raise ValueError(
                f"lr_scheduler must be of the optimizer that trains, got a {type(scheduler).__name__} of "
                f"another {type(scheduler.optimizer).__name__}: make it from this optimizer"
            )
    return schedulers


def list_schedulers(lr_scheduler: Any) -> list[LRScheduler]:
    """None, one or several schedulers as a list, of whatever optimizer; TypeError for what is none."""
    schedulers = as_list(lr_scheduler)
    for scheduler in schedulers:
        check_instances(lr_scheduler=scheduler)
        if not callable(getattr(scheduler, "step", None)):
            raise TypeError(f"lr_scheduler must have a method step(), got {type(scheduler).__name__}")
    return schedulers


def is_foreign(scheduler: LRScheduler, optimizers: Sequence[Optimizer]) -> bool:
    """Whether a scheduler changes another optimizer than these."""
    optimizer = getattr(scheduler, "optimizer", None)
    return optimizer is not None and all(optimizer is not own for own in optimizers)


def check_needs_no_value(schedulers: Sequence[LRScheduler]) -> None:
    """Raise ValueError for a scheduler that cannot be stepped after each update."""
    if any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in schedulers):
        raise ValueError(
            "lr_scheduler must not be a ReduceLROnPlateau here, which waits for a value: "
            "give it to fit, or step it yourself after each epoch"
        )


def steps_per_update(scheduler: LRScheduler, interval: Interval) -> bool:
    """Whether a scheduler steps after each update rather than after each epoch."""
    if interval != "auto":
        return interval == "update"
    parts = list(_parts(scheduler))
    of_updates = [type(part).__name__ for part in parts if isinstance(part, OF_UPDATES)]
    of_epochs = [type(part).__name__ for part in parts if isinstance(part, OF_EPOCHS)]
    if of_updates and of_epochs:
        raise ValueError(
            f"lr_scheduler: {type(scheduler).__name__} mixes {of_updates[0]}, which steps after each "
            f"update, with {of_epochs[0]}, which steps after each epoch: {ADVICE}"
        )
    return bool(of_updates)


def _parts(scheduler: Any) -> Iterator[Any]:
    """The schedulers inside SequentialLR and ChainedScheduler; any other itself."""
    if isinstance(scheduler, SequentialLR | ChainedScheduler):
        for part in scheduler._schedulers:  # noqa: SLF001  # torch has no other way to them
            yield from _parts(part)
    else:
        yield scheduler


def _horizon(scheduler: Any) -> float:
    """How many steps a scheduler is made for; 0 if it does not say."""
    own = vars(scheduler)
    lengths = [own.get(name) for name in ("T_max", "T_0", "total_iters")]
    milestones = own.get("milestones")
    last = max(milestones, default=0) if milestones else 0
    return max([float(length) for length in lengths if length is not None] + [float(last)])


def _still_rises(scheduler: LambdaLR, epochs: int) -> bool:
    """Whether a factor rises over all epochs, as it does in a warm-up that is counted in updates."""
    for function in scheduler.lr_lambdas:
        factors = [float(function(epoch)) for epoch in range(epochs + 1)]
        if all(math.isfinite(f) for f in factors) and factors[0] < factors[-1]:
            steps = [after - before for before, after in pairwise(factors)]
            if all(step >= 0 for step in steps) and steps[-1] > 0:
                return True
    return False
