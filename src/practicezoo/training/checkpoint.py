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
_PLAIN_TYPES = {int, float, bool, str, bytes, type(None)}


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``: a reader finds the old file or the new one, never half of one.

    The file is written under another name in the same folder, synced to the disk, and renamed.

    Args:
        path: the file; its folder must exist.
        state: tensors, Python's own numbers and strings, and lists, tuples and dicts of them.

    Raises:
        TypeError: if ``state`` holds something else, which could not be read back; nothing is written.
        OSError: if the folder cannot be written or the disk is full; an older file at ``path`` stays.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> save_checkpoint(f"{folder}/model.pt", {"model": torch.nn.Linear(2, 1).state_dict()})
        >>> sorted(load_checkpoint(f"{folder}/model.pt")["model"])
        ['bias', 'weight']
    """
    path = Path(path)
    _check_plain(state, "state")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the checkpoint's folder must exist, got {path.parent}")
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save({_MARK: _FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp's files are for their owner only
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, RuntimeError):  # torch's zip writer has no OSError for a full disk
            raise OSError(f"{path} could not be written: {str(error).splitlines()[0]}") from error
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
        ValueError: if the file is damaged or is not a checkpoint of this library, or this machine has no
            such device.
    """
    path = Path(path)
    try:
        torch.empty(0, device=map_location)
    except (RuntimeError, AssertionError) as error:  # each kind of device has its own way to be missing
        raise ValueError(
            f"map_location must be a device of this machine, got {str(map_location)!r}"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):  # what torch guesses about foreign files
            state = torch.load(path, map_location=map_location, weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # any bytes can be given, and torch's unpickler raises all kinds
        raise ValueError(f"{path} is damaged or no checkpoint: torch could not read it") from error
    if not isinstance(state, dict) or state.pop(_MARK, None) != _FORMAT:
        raise ValueError(f"{path} is not a checkpoint that this version of practicezoo wrote")
    return state


def _check_plain(value: Any, where: str) -> None:
    """Raise TypeError for what ``weights_only`` loading would refuse."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(key, f"a key of {where}")
            _check_plain(item, f"{where}[{key!r}]")
    elif type(value) in {list, tuple}:
        for index, item in enumerate(value):
            _check_plain(item, f"{where}[{index}]")
    elif not isinstance(value, torch.Tensor) and type(value) not in {
        int,
        float,
        bool,
        str,
        bytes,
        type(None),
    }:
        raise TypeError(f"{where} must be a tensor, number or string, got {type(value).__name__}")


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
