"""Stopping when a value no longer improves."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from practicezoo.arguments import check_count
from practicezoo.metrics.direction import Direction, Mode, better, check_mode
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.run import Run

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stops a run when a value has not improved for some epochs.

    Args:
        monitor: the value's name in the history.
        patience: how many epochs without improvement to allow.
        min_delta: an improvement must be greater than this.
        mode: "min", "max", or "auto"; see :meth:`History.best`.
        restore_best: whether the model gets the best epoch's weights back when the run ends, stopped
            early or not.

    Attributes:
        best_epoch: the best epoch so far, from 1; 0 before the first.
        best_value: its value.

    Raises:
        ValueError: if ``patience`` is below 1 or ``min_delta`` is negative, or, before the first epoch, if
            ``monitor`` is not measured, or its direction is not known and ``mode`` is "auto".

    Example:
        >>> stopping = EarlyStopping("val_accuracy", patience=3, restore_best=True)
    """

    monitor: str

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Mode = "auto",
        restore_best: bool = False,
    ) -> None:
        check_count(patience=patience)
        check_mode(mode)
        if min_delta < 0:
            raise ValueError(f"min_delta must not be negative, got {min_delta}")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode: Mode = mode
        self.restore_best = restore_best
        self.best_epoch = 0
        self.best_value = float("nan")
        self._best_weights: dict[str, object] | None = None

    def on_run_start(self, run: Run) -> None:
        """Find out whether lower or higher is better; decide again whether a resumed run is to stop."""
        run.history.direction(self.monitor, mode=self.mode)
        if run.stopped_by in {None, type(self).__name__} and self.best_epoch:
            run.should_stop = self._is_exhausted(run)
            run.stopped_by = type(self).__name__ if run.should_stop else None

    def on_epoch_end(self, run: Run) -> None:
        """Compare this epoch with the best one; stop the run when due."""
        value = run.history[self.monitor][-1]
        if (
            run.epoch == 1
            or self.best_epoch == 0
            or self._improved(value, run.history.direction(self.monitor, mode=self.mode))
        ):
            self.best_epoch, self.best_value = run.epoch, value
            if self.restore_best:
                self._best_weights = copy.deepcopy(run.model.state_dict())
        run.should_stop = run.should_stop or self._is_exhausted(run)

    def on_run_end(self, run: Run) -> None:
        """Give the model the best epoch's weights back, if that is wanted."""
        if self._best_weights is not None:
            run.model.load_state_dict(self._best_weights)

    def state_dict(self) -> dict[str, Any]:
        """The best epoch so far, for a checkpoint."""
        return {
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "best_weights": self._best_weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.best_epoch, self.best_value = state["best_epoch"], state["best_value"]
        self._best_weights = state["best_weights"]

    def _is_exhausted(self, run: Run) -> bool:
        return run.epoch - self.best_epoch >= self.patience

    def _improved(self, value: float, direction: Direction) -> bool:
        if math.isnan(self.best_value):  # any number is better
            return not math.isnan(value)
        gains = better(value, self.best_value, direction)
        return gains and abs(value - self.best_value) > self.min_delta
