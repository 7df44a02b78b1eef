"""Resuming a run from a checkpoint."""

import warnings
from functools import partial
from pathlib import Path

from practicezoo.runtime.collectives import run_on_main
from practicezoo.runtime.processes import is_main
from practicezoo.training.checkpoints.checkpointer import Checkpointer
from practicezoo.training.checkpoints.file import load_checkpoint
from practicezoo.training.checkpoints.folder import CheckpointFolder
from practicezoo.training.replica import is_sharded
from practicezoo.training.run import Run

__all__ = ["check_folders", "resume"]


def resume(run: Run, source: str | Path) -> None:
    """Bring ``run`` to the state of the newest good checkpoint; leave it as it begins if there is none.

    Args:
        run: a run as ``fit`` begins it.
        source: a folder of a :class:`Checkpointer`, or one of its files.

    Raises:
        FileNotFoundError: if ``source`` is a file's name and there is no such file.
        ValueError: if every checkpoint is damaged, or the newest good one does not fit the run.
    """
    source = Path(source)
    folder = _folder_at(source, run)
    path = run_on_main(lambda: source if _names_a_file(source) else (found := folder.newest()) and found.path)
    if path is None:
        _warn_of_another_folder(run, source)
        return
    newest = folder.newest() if is_main() and path != source else None  # has been read
    state = newest.state if newest is not None else load_checkpoint(path)
    try:
        if "progress" not in state:
            raise ValueError("it holds no run's state")  # noqa: TRY301
        run.load_state_dict(state)
    except ValueError as error:
        folder.forget()
        raise ValueError(f"cannot resume from {path}: {error}") from error


def check_folders(run: Run) -> None:
    """See that the run's Checkpointers can write, and remove no good checkpoint.

    Raises:
        FileExistsError: if the folder of one holds another run's checkpoints, or later ones of this run.
        ValueError: if the model is sharded: each rank has a part of it, and rank 0 would write its own.
    """
    for checkpointer in _checkpointers(run):
        if is_sharded(run.model):
            raise ValueError(
                "Checkpointer must have a whole model on each rank, got one sharded by fully_shard: "
                "use torch.distributed.checkpoint"
            )
        run_on_main(partial(_check_folder, run, checkpointer.checkpoints))


def _check_folder(run: Run, folder: CheckpointFolder) -> None:
    with warnings.catch_warnings(action="ignore"):  # resume has said what is damaged
        newest = folder.newest()
    folder.forget()
    if newest is None:
        return
    if newest.state.get("run_id") != run.run_id:
        raise FileExistsError(
            f"{folder.path} must not hold another run's checkpoints: "
            "give the folder to resume_from, or choose another"
        )
    if newest.state["progress"]["num_updates"] > run.num_updates:
        raise FileExistsError(
            f"{folder.path} must not hold later checkpoints of this run, found {newest.path.name}: "
            "move them away to go back"
        )


def _names_a_file(source: Path) -> bool:
    return source.is_file() or (source.suffix == ".pt" and not source.is_dir())


def _folder_at(source: Path, run: Run) -> CheckpointFolder:
    """The Checkpointers' own folder if it is the one at ``source``: what it has read is not read again."""
    folders = [checkpointer.checkpoints for checkpointer in _checkpointers(run)]
    own = (folder for folder in folders if folder.path.absolute() == source.absolute())
    return next(own, CheckpointFolder(source))


def _checkpointers(run: Run) -> list[Checkpointer]:
    return [callback for callback in run.callbacks if isinstance(callback, Checkpointer)]


def _warn_of_another_folder(run: Run, source: Path) -> None:
    folders = [checkpointer.folder for checkpointer in _checkpointers(run)]
    if folders and source.absolute() not in {folder.absolute() for folder in folders}:
        warnings.warn(
            f"nothing to resume from in {source}, so the run starts at the first epoch; "
            f"its checkpoints go to {folders[0]}",
            stacklevel=4,
        )
