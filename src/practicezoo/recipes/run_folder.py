"""The folder of a recipe's run: what is in it, how far the run has come, and what may be removed."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from practicezoo.recipes.identity import RunIdentity
from practicezoo.runtime.files import check_no_folder, leftovers, make_folder, write_whole
from practicezoo.training import load_checkpoint, save_checkpoint
from practicezoo.training.checkpoints.folder import CheckpointFolder

__all__ = ["RunFolder", "Stage"]

TEACHER = "teacher-"

Stage = Literal["unused", "unfinished", "trained", "finished"]


class RunFolder:
    """What a recipe writes: checkpoints while it trains, then the trained state, the result and the curve.

    Args:
        path: the folder, which need not be there.

    Attributes:
        path: the folder.
        history: ``history.csv``, a row for each epoch.
        curve: ``curve.png``.
        checkpoint: ``checkpoint.pt``, the trained state: that it is there says that nothing is left to train.
        result: ``result.json``: that it is there says that the run is finished.
        checkpoints: the checkpoints to resume from, and the best epoch's.
        refit: those of the second training, on all data.

    The checkpoints of networks that teach, :meth:`teacher`, lie in folders of their own.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.history = self.path / "history.csv"
        self.curve = self.path / "curve.png"
        self.checkpoint = self.path / "checkpoint.pt"
        self.result = self.path / "result.json"
        self.checkpoints = CheckpointFolder(self.path)
        self.refit = CheckpointFolder(self.path / "refit")

    @property
    def stage(self) -> Stage:
        """How far the run has come."""
        if self.result.exists():
            return "finished"
        if self.checkpoint.exists():
            return "trained"
        started = [self.checkpoints, *self._teachers]
        return "unused" if all(folder.is_empty for folder in started) else "unfinished"

    @property
    def files(self) -> list[Path]:
        """The files that a finished run leaves, those that are there."""
        return [path for path in self._own_files if path.exists()]

    @cached_property
    def trained(self) -> dict[str, Any]:
        """What ``checkpoint.pt`` holds; it is read once."""
        return load_checkpoint(self.checkpoint)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What ``result.json`` holds; it is read once."""
        figures: dict[str, Any] = json.loads(self.result.read_text(encoding="utf-8"))
        return figures

    def teacher(self, number: int) -> CheckpointFolder:
        """The checkpoints of one of the networks that teach this run's, from 1."""
        return CheckpointFolder(self.path / f"{TEACHER}{number}")

    def open(self, identity: RunIdentity, *, resume: bool) -> Path | None:
        """Make the folder ready for a run, and see at once that it can be written.

        Returns:
            The file to resume from; None if the run starts.

        Raises:
            FileExistsError: if it holds a run and ``resume`` is not set.
            ValueError: if the run in it is another one, or all its checkpoints are damaged.
            OSError: if it cannot be written.
        """
        if self.stage != "unused" and not resume:
            raise FileExistsError(
                f"{self.path} must not hold a run already: resume it (--resume), choose another folder or "
                "remove it"
            )
        file, record = self._record()
        if record is not None:
            identity.check_same(record, folder=self.path)
        if self.stage == "finished":
            self.clear()  # it may have been killed before it did
            return file
        make_folder(self.path)
        for path in self._own_files:
            check_no_folder(path)
        with tempfile.NamedTemporaryFile(dir=self.path):
            pass
        if (
            self.stage != "trained" and self.checkpoints.newest() is None
        ):  # killed before its first checkpoint
            self.history.unlink(missing_ok=True)
        return file

    def check_best(self) -> None:
        """See at a resume, not at the end, that the best epoch's weights so far can be read.

        Raises:
            ValueError: if ``best.pt`` is missing, damaged, or another run's.
        """
        newest = self.checkpoints.newest()
        if newest is None or not newest.state["history"]:
            return
        path = self.checkpoints.best
        try:
            run_id = load_checkpoint(path).get("run_id")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} must hold the best epoch so far, which this run ends with, but cannot be read "
                f"({error}): restart in another folder"
            ) from error
        if run_id != newest.state["run_id"]:
            raise ValueError(
                f"{path} must be of the run that is resumed, got another run's: remove it and restart"
            )

    def save_trained(self, state: Mapping[str, Any]) -> None:
        """Write ``checkpoint.pt``; the checkpoints to resume from stay until the run is finished."""
        save_checkpoint(self.checkpoint, state)

    def finish(self, figures: Mapping[str, Any]) -> None:
        """Write ``result.json``, and remove what only an unfinished run needs."""
        text = json.dumps(figures, indent=2, allow_nan=False) + "\n"
        with write_whole(self.result) as file:
            file.write(text.encode())
        self.clear()

    def clear(self) -> None:
        """Remove the checkpoints to resume from, and what killed processes have left."""
        inner = [self.refit, *self._teachers]
        for folder in (self.checkpoints, *inner):
            folder.clear()
        for path in self._own_files:
            for leftover in leftovers(self.path, path.name):
                leftover.unlink(missing_ok=True)
        for folder in inner:
            with suppress(OSError):  # not there, or not only ours
                folder.path.rmdir()

    def _record(self) -> tuple[Path | None, Mapping[str, Any] | None]:
        """The file that tells how far the run has come, and what it says of the run; None if it starts."""
        if self.stage == "finished":
            return self.result, self.figures
        if self.stage == "trained":
            return self.checkpoint, self.trained
        for folder in (self.checkpoints, *self._teachers):
            if (newest := folder.newest()) is not None:
                return newest.path, newest.state.get("extra", {})
        return None, None

    @property
    def _teachers(self) -> list[CheckpointFolder]:
        """Those that have begun, the latest first."""
        numbers = (path.name.removeprefix(TEACHER) for path in self.path.glob(f"{TEACHER}*"))
        return [
            self.teacher(number) for number in sorted(map(int, filter(str.isdecimal, numbers)), reverse=True)
        ]

    @property
    def _own_files(self) -> list[Path]:
        return [self.history, self.curve, self.checkpoint, self.result]
