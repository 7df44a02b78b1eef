"""IDX files, the format of the MNIST family: read as they are or from their .gz archives."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["find_idx", "read_idx"]

UINT8 = 8  # the format's code for this type


def find_idx(path: Path, *, num_dims: int) -> Tensor | None:
    """The tensor in ``path``, else in its archive ``path.gz``, else None.

    An archive is unpacked in memory, so the folder may be read-only.

    Args:
        path: where the unpacked file would be.
        num_dims: the number of dimensions that the tensor must have.

    Raises:
        PermissionError: if a file may not be read; the message names it.
        ValueError: as :func:`read_idx`.
    """
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        try:
            return read_idx(candidate, num_dims=num_dims)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except PermissionError:
            raise PermissionError(
                f"{candidate} must be readable, but the permission is denied: change that, or choose "
                "another data root"
            ) from None
    return None


def read_idx(path: Path, *, num_dims: int) -> Tensor:
    """The tensor of an IDX file of unsigned bytes, packed by gzip if its name ends in ``.gz``.

    Args:
        path: the file.
        num_dims: the number of dimensions that the tensor must have.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if the file is cut short, damaged, or of another kind; the message names it.
    """
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(path, f"must be a whole gzip archive: {error}") from None
    magic = bytes([0, 0, UINT8, num_dims])
    header = 4 + 4 * num_dims
    if raw[:4] != magic or len(raw) < header:
        raise _damaged(
            path,
            f"must be an IDX file of bytes in {num_dims} dimensions, which starts with {magic.hex()}, "
            f"got {len(raw)} bytes that start with {raw[:4].hex() or 'nothing'}",
        )
    shape = struct.unpack(f">{num_dims}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise _damaged(
            path,
            f"must hold the {math.prod(shape)} bytes of shape {shape} that its header promises, "
            f"got {len(raw) - header}",
        )
    # a bytearray is writable, as a tensor's memory should be
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)[header:].view(shape)


def _damaged(path: Path, rule: str) -> ValueError:
    return ValueError(f"{path}: the file {rule} (replace it, or delete it to have it downloaded again)")
