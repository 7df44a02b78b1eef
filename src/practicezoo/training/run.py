"""The state of a running ``fit``: what callbacks see, and what a checkpoint keeps."""

import math
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.metrics.running_mean import RunningMean
from practicezoo.runtime.collectives import all_gather_objects, any_rank
from practicezoo.runtime.loaders import has_persistent_workers
from practicezoo.runtime.processes import rank, world_size
from practicezoo.runtime.randomness import order_state, set_order_state
from practicezoo.training.history import History
from practicezoo.training.step import TrainStep

__all__ = ["Run"]


@dataclass
class Run:
    """The state of a running ``fit``, as callbacks see it.

    Attributes:
        model: the model in training.
        step: its update, with optimizers and criterion.
        epochs: how many epochs the run is to have.
        epoch: the current epoch, from 1.
        num_updates: updates done since the run began.
        history: the values of the finished epochs, the one that just ended included.
        should_stop: set it to end the run after this epoch.
        train_loader: gives the batches.
        val_loader: gives those that the run is measured on, or None.
        accumulate: batches in an update.
        lr_schedulers: all schedulers, those of updates and those of epochs.
        lr_scheduler_interval: when they step.
        callbacks: what watches the run.
        epoch_updates: updates done in the current epoch; 0 when the epoch has ended.
        losses: the current epoch's losses so far.
        grad_norms: its gradients' norms before clipping, if they are measured.
        run_id: tells the checkpoints of this run, resumed or not, from those of others.
        stopped_by: the class of the callback that set ``should_stop``.
        resources: what is let go when the run ends, also after an error.
    """

    model: nn.Module
    step: TrainStep
    epochs: int
    epoch: int = 0
    num_updates: int = 0
    history: History = field(default_factory=History)
    should_stop: bool = False
    train_loader: Iterable[Any] = ()
    val_loader: Iterable[Any] | None = None
    accumulate: int = 1
    lr_schedulers: Sequence[LRScheduler] = ()
    lr_scheduler_interval: str = "auto"
    callbacks: Sequence[Any] = ()
    epoch_updates: int = 0
    losses: RunningMean = field(default_factory=RunningMean)
    grad_norms: RunningMean = field(default_factory=RunningMean)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stopped_by: str | None = None
    resources: ExitStack = field(default_factory=ExitStack, repr=False)
    _seconds_before: float = field(default=0.0, init=False, repr=False)
    _started: float | None = field(default=None, init=False, repr=False)
    _epoch_start: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _resumed_at: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether no epoch, and none begun before a resume, is left to train."""
        return self.epoch_updates == 0 and (self.epoch >= self.epochs or self.should_stop)

    @property
    def seconds(self) -> float:
        """What the current epoch has taken, the time before a resume included."""
        return self._seconds_before + (0.0 if self._started is None else time.perf_counter() - self._started)

    def begin_epoch(self) -> None:
        """Count the next epoch, or the one that a resumed run was in; its clock starts."""
        self.epoch += 1
        self._started = time.perf_counter()

    def end_epoch(self, values: Mapping[str, float]) -> None:
        """Append the epoch's values to the history; what is counted within an epoch is reset."""
        self.history.append(values)
        self.epoch_updates, self.losses, self.grad_norms = 0, RunningMean(), RunningMean()
        self._seconds_before, self._started = 0.0, None

    def num_updates_in_all(self) -> int | None:
        """The updates of the whole run; None for a loader without a length."""
        try:
            num_batches = len(self.train_loader)  # type: ignore[arg-type]
        except TypeError:
            return None
        return self.epochs * math.ceil(num_batches / self.accumulate)

    def num_updates_left(self) -> int | None:
        """The updates that are left of the current epoch; None for a loader without a length."""
        in_all = self.num_updates_in_all()
        return None if in_all is None else in_all // self.epochs - self.epoch_updates

    def divergence(self, name: str, value: float, when: str) -> FloatingPointError:
        """The error for a loss that is NaN or infinite."""
        return FloatingPointError(
            f"{name} became {value} in epoch {self.epoch}, {when}, at learning rate "
            f"{self.step.learning_rate:.3g}: try a smaller learning rate or max_grad_norm"
        )

    def batches(self) -> Iterable[Any]:
        """The epoch's batches; of an epoch that is resumed those that were left, the same ones."""
        if self.epoch_updates == 0:
            self._epoch_start = order_state(self.train_loader)
            return self.train_loader
        return self._batches_left()

    def _batches_left(self) -> Iterator[Any]:
        set_order_state(self._epoch_start, self.train_loader)
        batches = iter(self.train_loader)
        for _ in zip(range(self.epoch_updates * self.accumulate), batches, strict=False):
            pass  # trained on before
        set_order_state(self._resumed_at, *self._samplers(), parts=False)
        yield from batches

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on, in plain values and tensors; every rank must call it."""
        return {
            "run_id": self.run_id,
            "model": self.model.state_dict(),
            "criterion": _state_of(self.step.criterion),
            "optimizers": [_named_state(optimizer) for optimizer in self.step.optimizers],
            "lr_schedulers": [_named_state(scheduler) for scheduler in self.lr_schedulers],
            "scaler": self.step.scaler.state_dict(),
            "callbacks": [_named_state(callback) for callback in self.callbacks],
            "history": self.history.state_dict(),
            "progress": {
                "finished_epochs": self.epoch if self.epoch_updates == 0 else self.epoch - 1,
                "epoch_updates": self.epoch_updates,
                "num_updates": self.num_updates,
                "learning_rate": float(self.step.last_learning_rate),
                "accumulate": self.accumulate,
                "lr_scheduler_interval": self.lr_scheduler_interval,
                "should_stop": any_rank(self.should_stop),
                "stopped_by": self.stopped_by,
                "persistent_workers": self._persistent_workers(),
            },
            "ranks": all_gather_objects(
                {
                    "losses": list(self.losses.totals()),
                    "grad_norms": list(self.grad_norms.totals()),
                    "seconds": self.seconds,
                    "epoch_start": self._epoch_start,
                    "now": order_state(*self._samplers()),
                }
            ),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, random states included.

        Callbacks get their states back in order, by the names of their classes. Optimizers and schedulers
        have the settings that were saved.

        Raises:
            ValueError: if this run has another model, other optimizers or schedulers, fewer epochs than are
                done, other processes, or accumulates another number of batches.
        """
        self._check_fits(state)
        _load("model", self.model, state["model"])
        _load("criterion", self.step.criterion, state["criterion"])
        _load("scaler", self.step.scaler, state["scaler"])
        for name, parts in self._lists().items():
            for part, (_, part_state) in zip(parts, state[name], strict=True):
                _load(name, part, part_state)
        waiting: dict[str, list[Any]] = {}
        for name, callback_state in state["callbacks"]:
            waiting.setdefault(name, []).append(callback_state)
        for callback in self.callbacks:  # one that was not there before starts afresh
            name = type(callback).__name__
            _load(name, callback, waiting[name].pop(0) if waiting.get(name) else None)
        self.run_id = state["run_id"]
        self.history.load_state_dict(state["history"])
        progress = state["progress"]
        self.epoch = progress["finished_epochs"]
        self.epoch_updates, self.num_updates = progress["epoch_updates"], progress["num_updates"]
        # a stop holds while the callback is there that asked for it
        there = {type(callback).__name__ for callback in self.callbacks}
        asked = progress["stopped_by"]
        self.should_stop = progress["should_stop"] and (asked is None or asked in there)
        self.stopped_by = asked if self.should_stop else None
        self.step.last_learning_rate = progress["learning_rate"]
        own = state["ranks"][rank()]
        self.losses, self.grad_norms = RunningMean(*own["losses"]), RunningMean(*own["grad_norms"])
        self._seconds_before = own["seconds"]
        self._epoch_start, self._resumed_at = own["epoch_start"], own["now"]
        set_order_state(self._resumed_at, *self._samplers())

    def _samplers(self) -> list[Any]:
        """What may sample with generators of its own."""
        return [self.train_loader, self.val_loader, self.step.criterion, *self.model.modules()]

    def _persistent_workers(self) -> dict[str, bool]:
        """Whether the loaders' workers, and their seeds, live for the whole run, by the loaders' names."""
        loaders = {"train_loader": self.train_loader, "val_loader": self.val_loader}
        return {name: has_persistent_workers(loader) for name, loader in loaders.items()}

    def _lists(self) -> dict[str, Sequence[Any]]:
        """Optimizers and schedulers, by the name in the state."""
        return {"optimizers": self.step.optimizers, "lr_schedulers": self.lr_schedulers}

    def _check_fits(self, state: Mapping[str, Any]) -> None:
        """Raise ValueError if the state is that of a run made in another way."""
        progress = state["progress"]
        if progress["accumulate"] != self.accumulate:
            raise ValueError(f"accumulate must be {progress['accumulate']} as before, got {self.accumulate}")
        interval = progress["lr_scheduler_interval"]
        if state["lr_schedulers"] and interval != self.lr_scheduler_interval:
            raise ValueError(
                f"lr_scheduler_interval must be {interval!r} as before, got {self.lr_scheduler_interval!r}"
            )
        if len(state["ranks"]) != world_size():
            raise ValueError(f"there must be {len(state['ranks'])} processes as before, got {world_size()}")
        if progress["finished_epochs"] > self.epochs:
            raise ValueError(
                f"epochs must be at least {progress['finished_epochs']}, which are done, got {self.epochs}"
            )
        persistent = self._persistent_workers()
        for name, was in progress.get("persistent_workers", persistent).items():
            if was != persistent[name]:
                raise ValueError(
                    f"{name} must have persistent_workers={was} as before, got {persistent[name]}"
                )
        for name, parts in self._lists().items():
            before, now = [kind for kind, _ in state[name]], [type(part).__name__ for part in parts]
            if before != now:
                raise ValueError(
                    f"{name} must be {', '.join(before) or 'none'} as before, got {', '.join(now) or 'none'}"
                )


def _named_state(part: Any) -> list[Any]:
    return [type(part).__name__, _state_of(part)]


def _state_of(part: Any) -> dict[str, Any] | None:
    return dict(part.state_dict()) if hasattr(part, "state_dict") else None


def _load(name: str, part: Any, state: dict[str, Any] | None) -> None:
    if state is None or not hasattr(part, "load_state_dict"):
        return
    try:
        part.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines()[:2]] or [type(error).__name__]
        raise ValueError(f"{name} must fit the state that was saved: {' '.join(lines)}") from error
