"""A folder of checkpoints: what is in it, the newest that can be read, and what may be removed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from practicezoo.runtime.files import leftovers, lock_folder
from practicezoo.training.checkpoints.file import load_checkpoint

__all__ = ["Checkpoint", "CheckpointFolder"]

BEST = "best.pt"
PREFIX = "update-"
# what a run's state has; see Run.state_dict
PARTS = {
    "run_id": str,
    "model": dict,
    "optimizers": list,
    "lr_schedulers": list,
    "scaler": dict,
    "callbacks": list,
    "history": dict,
    "ranks": list,
}
PROGRESS = frozenset(
    {"finished_epochs", "epoch_updates", "num_updates", "accumulate", "should_stop", "stopped_by"}
    | {"learning_rate", "lr_scheduler_interval"}
)


class Checkpoint(NamedTuple):
    """A checkpoint that was read: its file, and the state in it."""

    path: Path
    state: dict[str, Any]


class CheckpointFolder:
    """What a :class:`Checkpointer` writes: the newest checkpoints, and the best epoch's.

    Args:
        path: the folder, which need not be there.

    Attributes:
        path: the folder.
        best: the file of the best epoch.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.best = self.path / BEST
        self._newest: Checkpoint | None = None
        self._looked_at: list[Path] = []
        self._locks = 0

    @property
    def is_empty(self) -> bool:
        """Whether it holds no checkpoint, be it damaged."""
        return not self._numbered() and not self.best.exists()

    def file(self, num_updates: int) -> Path:
        """The file for the state after so many updates."""
        return self.path / f"{PREFIX}{num_updates:08d}.pt"

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read; None if there is none.

        It is read once: whoever asks again, until :meth:`forget` or another file comes or goes, is given the
        same one. Damaged files are passed over with a warning.

        Raises:
            ValueError: if every checkpoint is damaged.
        """
        numbered = self._numbered()
        if self._newest is None or numbered != self._looked_at:
            self._newest, self._looked_at = self._read_newest(numbered), numbered
        return self._newest

    def forget(self) -> None:
        """Let go of the checkpoint that was read, and its memory."""
        self._newest = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the folder meanwhile; inside it may be locked again through this object.

        Raises:
            BlockingIOError: if another run, of this process or another one, trains into the folder.
        """
        self._locks += 1
        try:
            with lock_folder(self.path) if self._locks == 1 else nullcontext():
                yield
        finally:
            self._locks -= 1

    def prune(self, *, keep: int, num_updates: int) -> None:
        """Remove all but the newest ``keep`` checkpoints up to ``num_updates``."""
        numbered = self._numbered()
        kept = [path for path in numbered if _number_of(path) <= num_updates][-keep:]
        _remove({*numbered, *self._leftovers()} - {*kept})

    def clear(self) -> None:
        """Remove all checkpoints; other files stay."""
        _remove({*self._numbered(), *self._leftovers(), self.best})

    def _read_newest(self, numbered: list[Path]) -> Checkpoint | None:
        for path in reversed(numbered):
            try:
                state = load_checkpoint(path)
                _check_named(path, state)
            except (ValueError, OSError) as error:
                warnings.warn(f"{error}: passing over it", stacklevel=3)
            else:
                newest = Checkpoint(path, state)
                _check_one_run(newest, [other for other in numbered if _number_of(other) < _number_of(path)])
                return newest
        if numbered:
            raise ValueError(
                f"{self.path} must hold a checkpoint that can be read, all {len(numbered)} are damaged: "
                "remove them to restart"
            )
        return None

    def _numbered(self) -> list[Path]:
        """The checkpoints but for the best epoch's, oldest first."""
        found = self.path.glob(f"{PREFIX}*.pt")
        return sorted((path for path in found if path.stem.removeprefix(PREFIX).isdecimal()), key=_number_of)

    def _leftovers(self) -> list[Path]:
        return [*leftovers(self.path, f"{PREFIX}*"), *leftovers(self.path, BEST)]


def _check_one_run(newest: Checkpoint, before: list[Path]) -> None:
    """Raise ValueError if the checkpoint before the newest is another run's."""
    for path in reversed(before):
        try:
            state = load_checkpoint(path)
        except (ValueError, OSError):
            continue
        if state.get("run_id") != newest.state["run_id"]:
            raise ValueError(
                f"{path.parent} must hold one run's checkpoints, but {newest.path.name} and {path.name} "
                "are of two runs: move one of them away"
            )
        return


def _check_named(path: Path, state: dict[str, Any]) -> None:
    """Raise ValueError for a file that no Checkpointer wrote under this name."""
    progress = state.get("progress")
    fits = all(isinstance(state.get(name), kind) for name, kind in PARTS.items())
    if not fits or not isinstance(progress, dict) or not progress.keys() >= PROGRESS:
        raise ValueError(f"{path} holds no run's state")
    if progress.get("num_updates") != _number_of(path):
        raise ValueError(
            f"{path} must hold the state after {_number_of(path)} updates, got one after "
            f"{progress.get('num_updates')}"
        )


def _number_of(path: Path) -> int:
    """The number of updates in a checkpoint's name."""
    return int(path.stem.removeprefix(PREFIX))


def _remove(paths: set[Path]) -> None:
    for path in paths:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
