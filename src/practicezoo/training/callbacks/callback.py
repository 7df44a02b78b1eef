"""Watching a run: two hooks, called after each update and each epoch."""

from practicezoo.training.run import Run
from practicezoo.training.step import StepResult

__all__ = ["Callback"]


class Callback:
    """Something that watches a run: derive from it and write the hooks you need.

    Any object that has both hooks will do as well. What must survive a restart goes into ``state_dict()`` and
    comes back through ``load_state_dict(state)``, in plain values and tensors: a
    :class:`~practicezoo.Checkpointer` saves them.
    """

    def on_step_end(self, run: Run, result: StepResult) -> None:
        """Called after each update. Reading a tensor here makes every step wait for the device."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch, when ``run.history`` has its values."""
