"""Checkpoints: one dictionary in one file, written whole or not at all."""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

__all__ = ["load_checkpoint", "save_checkpoint"]

_MARK = "practicezoo_checkpoint"
_FORMAT = 1


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``: a reader finds the old file or the new one, never half of one.

    The file is written under another name in the same folder, synced to the disk, and renamed.

    Args:
        path: the file; its folder must exist.
        state: tensors, numbers, strings, and lists and dicts of them.

    Raises:
        OSError: if the folder cannot be written or the disk is full; an older file at ``path`` stays.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> save_checkpoint(f"{folder}/model.pt", {"model": torch.nn.Linear(2, 1).state_dict()})
        >>> sorted(load_checkpoint(f"{folder}/model.pt")["model"])
        ['bias', 'weight']
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save({_MARK: _FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp's files are for their owner only
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def load_checkpoint(path: str | Path, *, map_location: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint; nothing that it holds is executed (``weights_only=True``).

    Args:
        path: a file that :func:`save_checkpoint` wrote.
        map_location: the device for the tensors.

    Returns:
        The state that was saved.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or is not a checkpoint of this library.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # what torch guesses about foreign files
            state = torch.load(path, map_location=map_location, weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # any bytes can be given, and torch's unpickler raises all kinds
        raise ValueError(f"{path} is damaged or no checkpoint: torch could not read it") from error
    if not isinstance(state, dict) or state.pop(_MARK, None) != _FORMAT:
        raise ValueError(f"{path} is not a checkpoint that this version of practicezoo wrote")
    return state


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
