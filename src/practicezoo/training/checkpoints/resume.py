"""Resuming a run from a checkpoint."""

import warnings
from pathlib import Path

from practicezoo.runtime.collectives import run_on_main
from practicezoo.runtime.loaders import start_workers
from practicezoo.runtime.lost import parts_without_state, samples_in_workers
from practicezoo.runtime.processes import is_main
from practicezoo.training.checkpoints.checkpointer import checkpointers_of
from practicezoo.training.checkpoints.file import load_checkpoint
from practicezoo.training.checkpoints.folder import CheckpointFolder
from practicezoo.training.run import Run

__all__ = ["resume"]


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
        if state["progress"]["finished_epochs"] > 0:
            for loader in (run.train_loader, run.val_loader):
                start_workers(loader)
        _warn_of_lost_numbers(run, state["progress"]["finished_epochs"])
        run.load_state_dict(state)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        folder.forget()
        raise ValueError(f"cannot resume from {path}: {error}") from error


def _names_a_file(source: Path) -> bool:
    return source.is_file() or (source.suffix == ".pt" and not source.is_dir())


def _folder_at(source: Path, run: Run) -> CheckpointFolder:
    """The Checkpointers' own folder if it is the one at ``source``: what it has read is not read again."""
    folders = [checkpointer.checkpoints for checkpointer in checkpointers_of(run)]
    own = (folder for folder in folders if folder.path.absolute() == source.absolute())
    return next(own, CheckpointFolder(source))


def _warn_of_lost_numbers(run: Run, finished_epochs: int) -> None:
    """Say once what cannot be put back."""
    lost = [
        f"{name} has sampled by random.SystemRandom cannot be put back: use random.Random(seed)"
        for name in parts_without_state(run.train_loader, run.val_loader)
    ]
    loaders = {"train_loader": run.train_loader, "val_loader": run.val_loader} if finished_epochs > 0 else {}
    lost += [
        f"the persistent workers of {name} have sampled in earlier epochs cannot be put back, so its next "
        "samples are other ones than without the interruption: use persistent_workers=False"
        for name, loader in loaders.items()
        if samples_in_workers(loader)
    ]
    for message in lost:
        warnings.warn(f"random numbers that {message}", stacklevel=4)


def _warn_of_another_folder(run: Run, source: Path) -> None:
    folders = [checkpointer.folder for checkpointer in checkpointers_of(run)]
    if source.absolute() not in {folder.absolute() for folder in folders}:
        place = f"its checkpoints go to {folders[0]}" if folders else "no Checkpointer writes its checkpoints"
        warnings.warn(
            f"nothing to resume from in {source}, so the run starts at the first epoch; {place}",
            stacklevel=4,
        )
