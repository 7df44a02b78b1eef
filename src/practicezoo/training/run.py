"""The state of a running ``fit``: what callbacks see, and what a checkpoint keeps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.training.history import History
from practicezoo.training.randomness import order_state, set_order_state
from practicezoo.training.step import TrainStep
from practicezoo.training.weighing import LossSum

__all__ = ["Run"]


@dataclass
class Run:
    """The state of a running ``fit``, as callbacks see it.

    Attributes:
        model: the model in training.
        step: its update, with optimizers, criterion and schedule.
        epochs: how many epochs the run is to have.
        epoch: the current epoch, from 1.
        num_updates: updates done since the run began.
        history: the values of the finished epochs, the one that just ended included.
        should_stop: set it to end the run after this epoch.
        train_loader: gives the batches.
        accumulate: batches in an update.
        lr_schedulers: all schedules, those of updates and those of epochs.
        callbacks: what watches the run.
        epoch_updates: updates done in the current epoch; 0 when the epoch has ended.
        losses: the current epoch's losses so far.
        seconds: what the current epoch took before the run was resumed.
    """

    model: nn.Module
    step: TrainStep
    epochs: int
    epoch: int = 0
    num_updates: int = 0
    history: History = field(default_factory=History)
    should_stop: bool = False
    train_loader: Iterable[Any] = ()
    accumulate: int = 1
    lr_schedulers: Sequence[LRScheduler] = ()
    callbacks: Sequence[Any] = ()
    epoch_updates: int = 0
    losses: LossSum = field(default_factory=LossSum)
    seconds: float = 0.0
    _epoch_start: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _resumed_at: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def end_epoch(self, values: Mapping[str, float]) -> None:
        """Take the epoch's values into the history; what counts within an epoch begins anew."""
        self.history.append(values)
        self.epoch_updates, self.losses, self.seconds = 0, LossSum(), 0.0

    def batches(self) -> Iterable[Any]:
        """The epoch's batches; of an epoch that is resumed those that were left, the same ones."""
        if self.epoch_updates == 0:
            self._epoch_start = order_state(self.train_loader)
            return self.train_loader
        return self._batches_left()

    def _batches_left(self) -> Iterator[Any]:
        set_order_state(self.train_loader, self._epoch_start)
        batches = iter(self.train_loader)
        for _ in zip(range(self.epoch_updates * self.accumulate), batches, strict=False):
            pass  # trained on before
        set_order_state(self.train_loader, self._resumed_at)
        yield from batches

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on, in plain values and tensors."""
        return {
            "model": self.model.state_dict(),
            "criterion": _state_of(self.step.criterion),
            "optimizers": [optimizer.state_dict() for optimizer in self.step.optimizers],
            "lr_schedulers": [scheduler.state_dict() for scheduler in self.lr_schedulers],
            "scaler": self.step.scaler.state_dict(),
            "callbacks": [[type(callback).__name__, _state_of(callback)] for callback in self.callbacks],
            "history": self.history.state_dict(),
            "progress": {
                "finished_epochs": self.epoch if self.epoch_updates == 0 else self.epoch - 1,
                "epoch_updates": self.epoch_updates,
                "num_updates": self.num_updates,
                "accumulate": self.accumulate,
                "should_stop": self.should_stop,
            },
            "losses": list(self.losses.totals()),
            "seconds": self.seconds,
            "order": {"epoch_start": self._epoch_start, "now": order_state(self.train_loader)},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, random states included.

        Callbacks get their states back in order, by the names of their classes.

        Raises:
            ValueError: if this run has another model, other optimizers or schedules, fewer epochs than are
                done, or accumulates another number of batches.
        """
        progress = state["progress"]
        if progress["accumulate"] != self.accumulate:
            raise ValueError(f"accumulate must be {progress['accumulate']} as before, got {self.accumulate}")
        if progress["finished_epochs"] > self.epochs:
            raise ValueError(
                f"epochs must be at least {progress['finished_epochs']}, which are done, got {self.epochs}"
            )
        members: dict[str, Sequence[Any]] = {
            "model": [self.model],
            "criterion": [self.step.criterion],
            "optimizers": self.step.optimizers,
            "lr_schedulers": self.lr_schedulers,
            "scaler": [self.step.scaler],
        }
        for name, parts in members.items():
            saved = state[name] if isinstance(state[name], list) else [state[name]]
            if len(saved) != len(parts):
                raise ValueError(f"there must be {len(saved)} {name} as before, got {len(parts)}")
            for part, part_state in zip(parts, saved, strict=True):
                _load(name, part, part_state)
        waiting: dict[str, list[Any]] = {}
        for name, callback_state in state["callbacks"]:
            waiting.setdefault(name, []).append(callback_state)
        for callback in self.callbacks:  # one that was not there before begins anew
            name = type(callback).__name__
            _load(name, callback, waiting[name].pop(0) if waiting.get(name) else None)
        self.history.load_state_dict(state["history"])
        self.epoch = progress["finished_epochs"]
        self.epoch_updates, self.num_updates = progress["epoch_updates"], progress["num_updates"]
        self.should_stop = progress["should_stop"]
        self.losses, self.seconds = LossSum(*state["losses"]), state["seconds"]
        self._epoch_start, self._resumed_at = state["order"]["epoch_start"], state["order"]["now"]
        set_order_state(self.train_loader, self._resumed_at)


def _state_of(part: Any) -> dict[str, Any] | None:
    return dict(part.state_dict()) if hasattr(part, "state_dict") else None


def _load(name: str, part: Any, state: dict[str, Any] | None) -> None:
    if state is None or not hasattr(part, "load_state_dict"):
        return
    try:
        part.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0].rstrip(":")
        raise ValueError(f"{name} must fit the state that was saved: {first_line}") from error
