"""Watching a run: hooks that are called at its moments."""

from collections.abc import Callable, Sequence
from typing import Any

from practicezoo.arguments import check_instances
from practicezoo.metrics.direction import Measures
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run

__all__ = ["Callback", "CallbackList"]

HOOKS = ("on_run_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_run_end")


class Callback:
    """Something that watches a run: derive from it and write the hooks you need.

    Any object that has ``on_step_end`` and ``on_epoch_end`` will do as well. Each hook is called for all
    callbacks, in the order in which they were given, before the next one is called for any. So what
    :meth:`on_checkpoint` sees is the state of the run and of all callbacks at the same moment, and what
    :meth:`on_run_end` changes is in no checkpoint.

    What must survive a restart goes into ``state_dict()`` and comes back through ``load_state_dict(state)``,
    in plain values and tensors: a :class:`~practicezoo.Checkpointer` saves them.

    Attributes:
        monitor: the name of the history's value that the callback looks at, or None. ``fit`` refuses a name
            that is not measured before it trains.
    """

    monitor: str | None = None

    def on_run_start(self, run: Run) -> None:
        """Called before the first update, when a resumed run has its state again."""

    def on_step_end(self, run: Run, result: StepResult) -> None:
        """Called after each update. Reading a tensor here makes every step wait for the device."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch, when ``run.history`` has its values; may set ``run.should_stop``."""

    def on_checkpoint(self, run: Run) -> None:
        """Called after the other hooks of an update or an epoch: the moment to save the run's state."""

    def on_run_end(self, run: Run) -> None:
        """Called once when no epoch is left to train; may change the model's weights."""


class CallbackList:
    """The callbacks of a run, called hook by hook.

    Args:
        callbacks: in the order in which they are called.

    Raises:
        TypeError: if they are no list, or one of them is a class.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        if not isinstance(callbacks, list | tuple):
            raise TypeError(f"callbacks must be a list of callbacks, got {type(callbacks).__name__}")
        for callback in callbacks:
            check_instances(callbacks=callback)
        self.callbacks = list(callbacks)
        # an update calls only hooks that someone wrote
        self._written = {hook: [each for each in callbacks if _writes(each, hook)] for hook in HOOKS}

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of each callback; an error gets a note that names callback and hook."""
        for callback in self._written[hook]:
            try:
                getattr(callback, hook)(*arguments)
                run = arguments[0]
                if run.should_stop and run.stopped_by is None:
                    run.stopped_by = type(callback).__name__
            except Exception as error:
                error.add_note(f"raised by the callback {type(callback).__name__}.{hook}")
                raise

    def has_hook(self, hook: str) -> bool:
        """Whether anyone wrote this hook."""
        return bool(self._written[hook])

    def check_monitors(self, measures: Measures) -> None:
        """Raise ValueError for a callback that looks at a value that the history will not have."""
        hint = "" if "val_loss" in measures else "; val_loader is not given"
        for callback in self.callbacks:
            monitor = callback.monitor if isinstance(callback, Callback) else None
            if monitor is not None and monitor not in measures:
                raise ValueError(
                    f"{type(callback).__name__}'s monitor must be one of {measures}, got {monitor!r}{hint}"
                )


def _writes(callback: object, hook: str) -> bool:
    """Whether a callback has a hook of its own."""
    own: Callable[..., None] | None = getattr(callback, hook, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(Callback, hook)
