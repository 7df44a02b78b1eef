"""When learning rates change: after each update, after each epoch, or when a value stops improving."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

__all__ = [
    "Interval",
    "check_interval",
    "check_needs_no_value",
    "is_per_epoch",
    "step_after_epoch",
]

Interval: TypeAlias = Literal["update", "epoch"]


def check_needs_no_value(schedulers: Sequence[LRScheduler]) -> None:
    """Raise ValueError for a schedule that cannot be stepped after each update."""
    if any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in schedulers):
        raise ValueError(
            "lr_scheduler must not be a ReduceLROnPlateau here, which waits for a value: "
            "give it to fit, or step it yourself after each epoch"
        )


def check_interval(interval: str) -> None:
    """Raise ValueError if ``interval`` is unknown."""
    if interval not in get_args(Interval):
        raise ValueError(f"lr_scheduler_interval must be 'update' or 'epoch', got {interval!r}")


def is_per_epoch(scheduler: LRScheduler, interval: Interval) -> bool:
    """Whether a schedule is stepped after each epoch rather than each update."""
    return interval == "epoch" or isinstance(scheduler, ReduceLROnPlateau)


def step_after_epoch(schedulers: Sequence[LRScheduler], values: Mapping[str, float]) -> None:
    """Step the schedules of epochs; one that waits for a plateau looks at the loss among ``values``."""
    for scheduler in schedulers:
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(values.get("val_loss", values["train_loss"]))
        else:
            scheduler.step()
