"""Checkpoints of a run while it trains, and going on from the newest good one."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from practicezoo.training.callbacks import Callback
from practicezoo.training.checkpoint import load_checkpoint, save_checkpoint
from practicezoo.training.distributed import any_rank, is_main, is_sharded, object_from_main
from practicezoo.training.history import Mode, check_mode
from practicezoo.training.run import Run
from practicezoo.training.step import StepResult

__all__ = [
    "BEST",
    "Checkpointer",
    "check_folders",
    "has_checkpoints",
    "newest_checkpoint",
    "remove_checkpoints",
    "resume",
]

BEST = "best.pt"
_PREFIX = "update-"


class Checkpointer(Callback):
    """Writes the whole state of a run, so that a killed run goes on as if nothing had happened.

    A file ``update-00001234.pt`` holds the model, the optimizers, schedules and scaler, the place within the
    epoch, the history, the callbacks that have a ``state_dict``, and the random states of Python, NumPy,
    torch and the loader. Give the folder to ``fit(..., resume_from=folder)`` and the run that was killed ends
    with the same weights, to the bit on the CPU, as one that was not. (Three and more processes add their
    gradients in an order of their own after a resume, so their weights agree up to rounding.)

    What cannot be put back: random numbers that a loader's own worker processes have drawn in earlier epochs
    (``persistent_workers=True``), and samplers that draw an epoch's order batch by batch from the same
    generator as the model.

    ``fit`` calls it after the other callbacks, so that their state is that of the same moment; only
    ``best.pt`` is written before them, with the epoch's own weights.

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
        folder: str | Path,
        *,
        every: int | Literal["epoch"] = "epoch",
        keep: int = 3,
        monitor: str | None = None,
        mode: Mode = "auto",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if every != "epoch" and not (isinstance(every, int) and every >= 1):
            raise ValueError(f"every must be 'epoch' or a number of updates of at least 1, got {every!r}")
        if keep < 1:
            raise ValueError(f"keep must be at least 1, got {keep}")
        check_mode(mode)
        self.folder = Path(folder)
        self.every = every
        self.keep = keep
        self.monitor = monitor
        self.mode: Mode = mode
        self.extra = dict(extra or {})

    def on_step_end(self, run: Run, result: StepResult) -> None:  # noqa: ARG002
        """Write a checkpoint if it is time."""
        if self.every != "epoch" and run.num_updates % self.every == 0:
            self._save_newest(run)

    def save_best(self, run: Run) -> None:
        """Write ``best.pt`` if the epoch is the best; ``fit`` calls it before the callbacks' epoch hooks."""
        if object_from_main(self._is_best(run)):
            self._save(run, BEST)

    def on_epoch_end(self, run: Run) -> None:
        """Write a checkpoint if it is time."""
        is_last = run.should_stop or run.epoch == run.epochs
        if self.every == "epoch" or is_last or run.num_updates % self.every == 0:
            self._save_newest(run)

    def _is_best(self, run: Run) -> bool:
        if self.monitor is None or math.isnan(run.history[self.monitor][-1]):
            return False
        return run.history.best(self.monitor, mode=self.mode).epoch == run.epoch

    def _save_newest(self, run: Run) -> None:
        self._save(run, f"{_PREFIX}{run.num_updates:08d}.pt")
        if not is_main():
            return
        files = _numbered(self.folder)
        # those of later updates are damaged, or check_folders would have refused them
        newest = [path for path in files if _number(path) <= run.num_updates][-self.keep :]
        for path in {*files, *_leftovers(self.folder)} - {*newest}:
            path.unlink(missing_ok=True)

    def _save(self, run: Run, name: str) -> None:
        if any_rank(not _is_finite(run)):
            return  # the next look at the loss ends the run, and what was good stays
        state = run.state_dict()
        if is_main():
            self.folder.mkdir(parents=True, exist_ok=True)
            save_checkpoint(self.folder / name, {**state, "extra": self.extra})


def check_folders(run: Run) -> None:
    """See that the run's Checkpointers can write, and remove no good checkpoint.

    Raises:
        FileExistsError: if the folder of one holds another run's checkpoints, or later ones of this run.
        ValueError: if the model is sharded: each rank has a part of it, and rank 0 would write its own.
    """
    for callback in run.callbacks:
        if not isinstance(callback, Checkpointer):
            continue
        if is_sharded(run.model):
            raise ValueError(
                "Checkpointer must have a whole model on each rank, got one sharded by fully_shard: "
                "use torch.distributed.checkpoint"
            )
        with warnings.catch_warnings(action="ignore"):  # resume has said what is damaged
            found = newest_checkpoint(callback.folder) if is_main() else None
        if found is not None and found[1].get("run_id") != run.run_id:
            raise FileExistsError(
                f"{callback.folder} must not hold another run's checkpoints: "
                "give the folder to resume_from, or choose another"
            )
        if found is not None and found[1]["progress"]["num_updates"] > run.num_updates:
            raise FileExistsError(
                f"{callback.folder} must not hold later checkpoints of this run, found {found[0].name}: "
                "move them away to go back"
            )


def resume(run: Run, source: str | Path) -> None:
    """Bring ``run`` to the state of the newest good checkpoint; leave it as it begins if there is none.

    Args:
        run: a run as ``fit`` begins it.
        source: a folder of a :class:`Checkpointer`, or one of its files.

    Raises:
        FileNotFoundError: if ``source`` is a file's name and there is no such file.
        ValueError: if every checkpoint is damaged, or the newest good one does not fit the run.
    """
    newest = newest_checkpoint(source) if is_main() else None
    path = object_from_main(newest and newest[0])
    if path is None:
        _warn_of_another_folder(run, Path(source))
        return
    state = newest[1] if newest else load_checkpoint(path)
    try:
        if "progress" not in state:
            raise ValueError("it holds no run's state")  # noqa: TRY301
        run.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"cannot go on from {path}: {error}") from error


def _warn_of_another_folder(run: Run, source: Path) -> None:
    folders = [callback.folder for callback in run.callbacks if isinstance(callback, Checkpointer)]
    if folders and source.absolute() not in {folder.absolute() for folder in folders}:
        warnings.warn(
            f"nothing to resume from in {source}, so the run begins anew; its checkpoints go to {folders[0]}",
            stacklevel=4,
        )


def newest_checkpoint(source: str | Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, and its state; None if there is none.

    Args:
        source: a folder of a :class:`Checkpointer`, or one of its files. Damaged files in a folder are
            passed over with a warning.

    Raises:
        FileNotFoundError: if ``source`` is a file's name and there is no such file.
        ValueError: if the file, or every checkpoint in the folder, is damaged.
    """
    source = Path(source)
    if source.is_file() or (source.suffix == ".pt" and not source.is_dir()):
        return source, load_checkpoint(source)
    for path in reversed(files := _numbered(source)):
        try:
            return path, load_checkpoint(path)
        except ValueError as error:
            warnings.warn(f"{error}: passing over it", stacklevel=2)
    if files:
        raise ValueError(
            f"{source} must hold a checkpoint that can be read, all {len(files)} are damaged: "
            "remove them to begin anew"
        )
    return None


def _is_finite(run: Run) -> bool:
    """Whether the loss and all weights are numbers."""
    parameters = (parameter for parameter in run.model.parameters() if parameter.is_floating_point())
    finite = [parameter.detach().isfinite().all() for parameter in parameters]
    return math.isfinite(run.losses.totals()[0]) and (not finite or bool(torch.stack(finite).all()))


def has_checkpoints(folder: str | Path) -> bool:
    """Whether the folder holds what a Checkpointer wrote."""
    return bool(_numbered(Path(folder))) or (Path(folder) / BEST).exists()


def remove_checkpoints(folder: str | Path) -> None:
    """Remove what a Checkpointer wrote into the folder."""
    folder = Path(folder)
    for path in [*_numbered(folder), *_leftovers(folder), folder / BEST]:
        path.unlink(missing_ok=True)


def _leftovers(folder: Path) -> list[Path]:
    """What a process that was killed while it wrote has left."""
    return [*folder.glob(f".{_PREFIX}*.tmp"), *folder.glob(f".{BEST}.*.tmp")]


def _numbered(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, oldest first."""
    found = (path for path in folder.glob(f"{_PREFIX}*.pt") if path.stem.removeprefix(_PREFIX).isdecimal())
    return sorted(found, key=_number)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix(_PREFIX))
