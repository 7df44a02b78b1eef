"""Event files for TensorBoard."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from practicezoo.arguments import check_count
from practicezoo.runtime.collectives import sum_over_ranks
from practicezoo.runtime.files import make_folder
from practicezoo.runtime.processes import is_main
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.history import History
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(Callback):
    """Writes event files for TensorBoard (the extra ``tensorboard``).

    Every value of the history is there by its name, and the epoch as "epoch"; with ``every`` also
    "step/loss", "step/learning_rate" and, where gradients are clipped, "step/grad_norm". The axis counts
    updates. A resumed run hides what was written after its checkpoint; a fresh run hides what is in its
    folder, so give each run a folder of its own.

    Args:
        folder: of the event files; made if need be. ``tensorboard --logdir`` with the folder above it shows
            several runs side by side.
        every: updates from one look at the loss to the next, or None for no look. A look waits for the
            device; all other updates leave it alone.

    Raises:
        ImportError: if tensorboard is missing.
        ValueError: if ``every`` is below 1.

    Example:
        >>> logger = TensorBoardLogger("runs/first", every=50)  # fit(..., callbacks=[logger])
    """

    def __init__(self, folder: str | Path, *, every: int | None = None) -> None:
        if every is not None:
            check_count(every=every)
        self.folder = Path(folder)
        self.every = every
        self._make_writer = _summary_writer()
        self._history: History | None = None  # of the run that is being written
        self._writer: SummaryWriter | None = None

    def on_step_end(self, run: Run, result: StepResult) -> None:
        """Write the loss, the learning rate and the gradient's norm, every so many updates."""
        values: dict[str, Tensor | float] = {}
        if self.every is not None and run.num_updates % self.every == 0:
            loss_sum, weight = sum_over_ranks(result.loss_sum, result.weight)
            values = {"loss": loss_sum / weight, "learning_rate": run.step.learning_rate}
            if result.grad_norm is not None:
                values["grad_norm"] = result.grad_norm
        if is_main():
            writer = self._begin(run)
            for name, value in values.items():
                writer.add_scalar(f"step/{name}", float(value), run.num_updates)

    def on_epoch_end(self, run: Run) -> None:
        """Write the epoch's values, on rank 0."""
        if not is_main():
            return
        writer = self._begin(run)
        for name, value in (run.history.last() | {"epoch": run.epoch}).items():
            writer.add_scalar(name, value, run.num_updates)
        writer.flush()
        if run.should_stop or run.epoch == run.epochs:
            writer.close()

    def _begin(self, run: Run) -> "SummaryWriter":
        if self._writer is None or run.history is not self._history:
            if self._writer is not None:
                self._writer.close()
            self._history = run.history
            make_folder(self.folder)
            self._writer = self._make_writer(str(self.folder), purge_step=run.num_updates)
        return self._writer


def _summary_writer() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            'TensorBoardLogger needs tensorboard: pip install "practicezoo[tensorboard]"'
        ) from error
    return SummaryWriter
