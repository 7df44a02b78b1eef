"""Checkpoints of a run while it trains."""

import math
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from practicezoo.arguments import check_count
from practicezoo.metrics.direction import Mode, check_mode
from practicezoo.runtime.collectives import any_rank, broadcast_object, run_on_main
from practicezoo.runtime.files import make_folder
from practicezoo.runtime.processes import is_main
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.checkpoints.file import save_checkpoint
from practicezoo.training.checkpoints.folder import CheckpointFolder
from practicezoo.training.replica import is_sharded
from practicezoo.training.run import Run

__all__ = ["Checkpointer", "checkpointers_of"]


class Checkpointer(Callback):
    """Writes the whole state of a run, so that a killed run can be resumed as if nothing had happened.

    A file ``update-00001234.pt`` holds the model, the optimizers, schedulers and scaler, the place within the
    epoch, the history, the callbacks that have a ``state_dict``, and the random states of Python, NumPy,
    torch and the loader. Give the folder to ``fit(..., resume_from=folder)`` and the run that was killed ends
    with the same weights, to the bit on the CPU, as one that was not. (Three and more processes add their
    gradients in an order of their own after a resume, so their weights agree up to rounding.)

    What cannot be put back: random numbers that a loader's own worker processes have sampled in earlier
    epochs (``persistent_workers=True``; a warning says so at a resume), those of the operating system
    (``random.SystemRandom``; likewise), and samplers that sample an epoch's order batch by batch from the
    same generator as the model.

    It saves in :meth:`on_checkpoint`, after the other hooks of all callbacks, so that their state is that of
    the same moment, and the weights are the trained ones.

    Args:
        folder: where the files go; made if it is not there.
        every: "epoch", or a number of updates. The end of the run is always written.
        keep: how many of the newest files to keep.
        monitor: a value of the history; the state after the epoch where it was best stays in ``best.pt``.
        mode: "min", "max" or "auto" for ``monitor``; see :meth:`History.best`.
        extra: plain values to write beside, such as the settings of the run.

    Raises:
        ValueError: if ``every`` or ``keep`` is below 1, or ``mode`` is unknown.
        KeyError: if the history has no ``monitor``.
        FileExistsError: if ``folder`` holds another run's checkpoints, or later ones of this run.
        BlockingIOError: if another run trains into ``folder``.
        OSError: if a file cannot be written; the files from before stay as they are.

    Example:
        >>> import tempfile, torch
        >>> from torch import nn
        >>> from practicezoo import fit
        >>> folder = tempfile.mkdtemp()
        >>> def train(epochs):
        ...     model = nn.Linear(1, 1)
        ...     return fit(
        ...         model,
        ...         [(torch.ones(4, 1), torch.zeros(4, 1))],
        ...         criterion=nn.MSELoss(),
        ...         optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        ...         epochs=epochs,
        ...         callbacks=[Checkpointer(folder)],
        ...         resume_from=folder,
        ...     )
        >>> len(train(epochs=2)), len(train(epochs=5))
        (2, 5)
    """

    def __init__(
        self,
        folder: str | Path | CheckpointFolder,
        *,
        every: int | Literal["epoch"] = "epoch",
        keep: int = 3,
        monitor: str | None = None,
        mode: Mode = "auto",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(every, str) and every != "epoch":
            raise ValueError(f"every must be 'epoch' or a number of updates, got {every!r}")
        if every != "epoch":
            check_count(every=every)
        check_count(keep=keep)
        check_mode(mode)
        self.checkpoints = folder if isinstance(folder, CheckpointFolder) else CheckpointFolder(folder)
        self.every = every
        self.keep = keep
        self.monitor = monitor
        self.mode: Mode = mode
        self.extra = dict(extra or {})

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self.checkpoints.path

    def on_run_start(self, run: Run) -> None:
        """See that the run can be saved, and that no good checkpoint would be removed.

        Raises:
            FileExistsError: if the folder holds another run's checkpoints, or later ones of this run.
            ValueError: if the model is sharded: each rank has a part of it, and rank 0 would write its own;
                or the monitored value's direction is not known.
        """
        if self.monitor is not None:
            run.history.direction(self.monitor, mode=self.mode)
        if is_sharded(run.model):
            raise ValueError(
                "Checkpointer must have a whole model on each rank, got one sharded by fully_shard: "
                "use torch.distributed.checkpoint"
            )
        if is_main():
            run.resources.enter_context(self.checkpoints.lock())
        run_on_main(partial(self._check_folder, run))

    def on_checkpoint(self, run: Run) -> None:
        """Write a checkpoint if it is time."""
        epoch_ended = run.epoch_updates == 0
        if epoch_ended and broadcast_object(self._is_best(run)):
            self._save(run, self.checkpoints.best)
        if self.every == "epoch":
            is_due = epoch_ended
        else:
            is_due = run.num_updates % self.every == 0 or (epoch_ended and run.is_finished)
        if is_due:
            self._save_newest(run)

    def _check_folder(self, run: Run) -> None:
        with warnings.catch_warnings(action="ignore"):  # resume has said what is damaged
            newest = self.checkpoints.newest()
        self.checkpoints.forget()
        if newest is None:
            return
        if newest.state.get("run_id") != run.run_id:
            raise FileExistsError(
                f"{self.folder} must not hold another run's checkpoints: "
                "give the folder to resume_from, or choose another"
            )
        if newest.state["progress"]["num_updates"] > run.num_updates:
            raise FileExistsError(
                f"{self.folder} must not hold later checkpoints of this run, found {newest.path.name}: "
                "move them away to go back"
            )

    def _is_best(self, run: Run) -> bool:
        if self.monitor is None or math.isnan(run.history[self.monitor][-1]):
            return False
        return run.history.best(self.monitor, mode=self.mode).epoch == run.epoch

    def _save_newest(self, run: Run) -> None:
        self._save(run, self.checkpoints.file(run.num_updates))
        if is_main():
            # those of later updates are damaged, or the folder's check would have refused them
            self.checkpoints.prune(keep=self.keep, num_updates=run.num_updates)

    def _save(self, run: Run, path: Path) -> None:
        if any_rank(not _is_finite(run)):
            return  # the next look at the loss ends the run, and what was good stays
        state = run.state_dict()
        if is_main():
            make_folder(path.parent)
            save_checkpoint(path, {**state, "extra": self.extra})


def checkpointers_of(run: Run) -> list[Checkpointer]:
    """The callbacks of a run that write its checkpoints."""
    return [callback for callback in run.callbacks if isinstance(callback, Checkpointer)]


def _is_finite(run: Run) -> bool:
    """Whether the loss and all weights are numbers."""
    parameters = (parameter for parameter in run.model.parameters() if parameter.is_floating_point())
    finite = [parameter.detach().isfinite().all() for parameter in parameters]
    return math.isfinite(run.losses.totals()[0]) and (not finite or bool(torch.stack(finite).all()))
