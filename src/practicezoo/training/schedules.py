"""When learning rates change: after each update, after each epoch, or when a value stops improving."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from practicezoo.arguments import as_list

__all__ = ["Interval", "Schedules", "check_needs_no_value"]

Interval: TypeAlias = Literal["update", "epoch"]


class Schedules:
    """The schedulers of a run: those that step after each update, and those that step after each epoch.

    Args:
        lr_scheduler: none, one or several.
        interval: "update" or "epoch"; a ``ReduceLROnPlateau`` steps after each epoch in any case.
    """

    def __init__(self, lr_scheduler: LRScheduler | Sequence[LRScheduler] | None, interval: Interval) -> None:
        if interval not in get_args(Interval):
            raise ValueError(f"lr_scheduler_interval must be 'update' or 'epoch', got {interval!r}")
        self.all = as_list(lr_scheduler)
        self.of_epochs = [
            each for each in self.all if interval == "epoch" or isinstance(each, ReduceLROnPlateau)
        ]
        self.of_updates = [each for each in self.all if each not in self.of_epochs]

    def step_after_epoch(self, values: Mapping[str, float]) -> None:
        """Step the schedulers of epochs; one that waits for a plateau looks at the loss among ``values``."""
        for scheduler in self.of_epochs:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(values.get("val_loss", values["train_loss"]))
            else:
                scheduler.step()


def check_needs_no_value(schedulers: Sequence[LRScheduler]) -> None:
    """Raise ValueError for a scheduler that cannot be stepped after each update."""
    if any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in schedulers):
        raise ValueError(
            "lr_scheduler must not be a ReduceLROnPlateau here, which waits for a value: "
            "give it to fit, or step it yourself after each epoch"
        )
