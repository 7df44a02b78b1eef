"""A folder of checkpoints: what is in it, and which is the newest that can be read."""

import warnings
from pathlib import Path
from typing import Any

from practicezoo.training.checkpoints.file import load_checkpoint

__all__ = [
    "BEST",
    "PREFIX",
    "has_checkpoints",
    "leftovers",
    "newest_checkpoint",
    "number_of",
    "numbered",
    "remove_checkpoints",
]

BEST = "best.pt"


PREFIX = "update-"


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
    for path in reversed(files := numbered(source)):
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


def has_checkpoints(folder: str | Path) -> bool:
    """Whether the folder holds what a Checkpointer wrote."""
    return bool(numbered(Path(folder))) or (Path(folder) / BEST).exists()


def remove_checkpoints(folder: str | Path) -> None:
    """Remove what a Checkpointer wrote into the folder."""
    folder = Path(folder)
    for path in [*numbered(folder), *leftovers(folder), folder / BEST]:
        path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """What a process that was killed while it wrote has left."""
    return [*folder.glob(f".{PREFIX}*.tmp"), *folder.glob(f".{BEST}.*.tmp")]


def numbered(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, oldest first."""
    found = (path for path in folder.glob(f"{PREFIX}*.pt") if path.stem.removeprefix(PREFIX).isdecimal())
    return sorted(found, key=number_of)


def number_of(path: Path) -> int:
    """The number of updates in a checkpoint's name."""
    return int(path.stem.removeprefix(PREFIX))
