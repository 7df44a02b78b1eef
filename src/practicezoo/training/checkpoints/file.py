"""Checkpoints: one dictionary in one file, written whole or not at all, and read back whole or not at all.

The file is torch's own zip archive, and ``torch.load`` reads it; the archive's comment holds the SHA-256 of
all bytes before it, so that a single bit that changed on the disk is noticed.
"""

import hashlib
import os
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import nn

from practicezoo.runtime.files import check_no_folder, write_whole

__all__ = ["load_checkpoint", "save_checkpoint"]

MARK = "practicezoo_checkpoint"
FORMAT = 2
PLAIN_TYPES = {int, float, bool, str, bytes, type(None), torch.Tensor, nn.Parameter}
NUMBERS = {int, float, bool}
DIGEST = b"sha256 "
COMMENT_SIZE = len(DIGEST) + 2 * hashlib.sha256().digest_size
CHUNK_SIZE = 2**20
END, END_SIZE = b"PK\5\6", 22  # of an archive without a comment
NO_COMMENT = bytes(2)  # how an archive ends: the length of its comment


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``: a reader finds the old file or the new one, never half of one.

    The file ends with a checksum of itself.

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
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict, got {type(state).__name__}: a module's is its state_dict()")
    state = _plain(state, "state")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the checkpoint's folder must exist, got {path.parent}")
    try:
        with write_whole(path) as file:
            hashing = _Hashing(file)
            torch.save({MARK: FORMAT, **state}, hashing)  # type: ignore[arg-type]  # write and flush are all
            hashing.append_digest()
    except RuntimeError as error:  # torch's zip writer has no OSError for a full disk
        raise OSError(f"{path} could not be written: {str(error).splitlines()[0]}") from error


def load_checkpoint(path: str | Path, *, map_location: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint; nothing that it holds is executed (``weights_only=True``).

    Args:
        path: a file that :func:`save_checkpoint` wrote.
        map_location: the device for the tensors.

    Returns:
        The state that was saved.

    Raises:
        FileNotFoundError: if there is no such file.
        IsADirectoryError: if ``path`` is a folder.
        ValueError: if the file is damaged, be it by one bit, or is not a checkpoint of this library, or this
            machine has no such device.
    """
    path = Path(path)
    try:
        torch.empty(0, device=map_location)
    except (RuntimeError, AssertionError) as error:  # each kind of device has its own way to be missing
        raise ValueError(
            f"map_location must be a device of this machine, got {str(map_location)!r}"
        ) from error
    check_no_folder(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            _check_digest(file)
            _check_sizes(file)
            state = torch.load(file, map_location=map_location, weights_only=True)
    except (OSError, torch.OutOfMemoryError):
        raise
    except _Unreadable as error:
        raise ValueError(f"{path} {error}") from None
    except Exception as error:  # any bytes can be given, and torch's unpickler raises all kinds
        raise ValueError(f"{path} is damaged or no checkpoint of this version of practicezoo") from error
    if not isinstance(state, dict) or MARK not in state:
        raise ValueError(f"{path} is damaged or no checkpoint of this version of practicezoo")
    found = state.pop(MARK)
    if found != FORMAT:
        raise ValueError(
            f"{path} must have the format {FORMAT}, which this version of practicezoo reads, got {found!r}"
        )
    return state


class _Unreadable(Exception):  # noqa: N818  # it is what a sentence goes on with
    """Why a file cannot be read."""


class _Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def append_digest(self) -> None:
        """Make the digest the archive's comment: it has none so far, and ends with that one's length."""
        self.file.seek(-len(NO_COMMENT), os.SEEK_END)
        self.file.write(COMMENT_SIZE.to_bytes(2, "little"))
        self.file.write(DIGEST + self._digest.hexdigest().encode())


def _check_digest(file: BinaryIO) -> None:
    """Raise ValueError if the file does not end with the digest of what stands before; else rewind it."""
    left = file.seek(0, os.SEEK_END) - COMMENT_SIZE - len(NO_COMMENT)
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        digest.update(file.read(min(left, CHUNK_SIZE)))
        left -= CHUNK_SIZE
    digest.update(NO_COMMENT)
    expected = COMMENT_SIZE.to_bytes(2, "little") + DIGEST + digest.hexdigest().encode()
    if file.read() != expected:
        file.seek(-min(END_SIZE, file.tell()), os.SEEK_END)
        if file.read(4) == END:
            raise _Unreadable("was written by torch.save, not by save_checkpoint: torch.load reads it")
        raise _Unreadable("is damaged or no checkpoint of this version of practicezoo")
    file.seek(0)


def _check_sizes(file: BinaryIO) -> None:
    """Refuse an archive that promises more bytes than it has: torch compresses nothing."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        promised = sum(entry.file_size for entry in archive.infolist())
    if promised > size:
        raise _Unreadable(f"must hold at most its own {size:,} bytes, and promises {promised:,}")
    file.seek(0)


def _plain(value: Any, where: str) -> Any:
    """The value in types that ``weights_only`` loading reads, itself where it has none of NumPy's numbers.

    Raises:
        TypeError: for what has no such type.
    """
    if isinstance(value, np.generic):  # a learning rate from np.logspace, say
        return value.item()
    kind = type(value)
    if kind in {dict, OrderedDict, Counter} or where == "state":
        pairs = [
            (key, _plain(key, f"a key of {where}"), item, _plain(item, f"{where}[{key!r}]"))
            for key, item in value.items()
        ]
        if all(key is new_key and item is new_item for key, new_key, item, new_item in pairs):
            return value
        return (dict if where == "state" else kind)((new_key, new_item) for _, new_key, _, new_item in pairs)
    if kind in {list, tuple}:
        if kind is list and all(type(item) in NUMBERS for item in value):  # a history's values, and many
            return value
        items = [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else kind(items)
    if kind not in PLAIN_TYPES:
        raise TypeError(f"{where} must be a tensor, number or string, got {kind.__name__}")
    return value
