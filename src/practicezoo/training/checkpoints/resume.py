"""Resuming a run from a checkpoint."""

import warnings
from pathlib import Path

from practicezoo.runtime.collectives import broadcast_object
from practicezoo.runtime.processes import is_main
from practicezoo.training.checkpoints.checkpointer import Checkpointer
from practicezoo.training.checkpoints.file import load_checkpoint
from practicezoo.training.checkpoints.folder import newest_checkpoint
from practicezoo.training.replica import is_sharded
from practicezoo.training.run import Run

__all__ = ["check_folders", "resume"]


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
    path = broadcast_object(newest and newest[0])
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
