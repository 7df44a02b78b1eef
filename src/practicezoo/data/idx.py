"""IDX files, the format of the MNIST family: read as they are or from their .gz archives."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from practicezoo.data.files import read_up_to

__all__ = ["MAX_BYTES", "find_idx", "read_idx"]

MAX_BYTES = 2**30  # of an archive, unpacked; the largest of the family, EMNIST by class, has half of it
UINT8 = 8  # the format's code for this type


def find_idx(path: Path, *, num_dims: int, max_bytes: int = MAX_BYTES) -> Tensor | None:
    """The tensor in ``path``, else in its archive ``path.gz``, else None.

    An archive is unpacked in memory, so the folder may be read-only.

    Args:
        path: where the unpacked file would be.
        num_dims: the number of dimensions that the tensor must have.
        max_bytes: what an archive may unpack to.

    Raises:
        PermissionError: if a file may not be read; the message names it.
        ValueError: as :func:`read_idx`.
    """
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        try:
            return read_idx(candidate, num_dims=num_dims, max_bytes=max_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except PermissionError:
            raise PermissionError(
                f"{candidate} must be readable, but the permission is denied: change that, or choose "
                "another data root"
            ) from None
    return None


def read_idx(path: Path, *, num_dims: int, max_bytes: int = MAX_BYTES) -> Tensor:
    """The tensor of an IDX file of unsigned bytes, packed by gzip if its name ends in ``.gz``.

    Args:
        path: the file.
        num_dims: the number of dimensions that the tensor must have.
        max_bytes: what an archive may unpack to.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if the file is cut short, damaged, or of another kind; the message names it.
    """
    magic = bytes([0, 0, UINT8, num_dims])
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            start = read_up_to(file, 4 + 4 * num_dims)
            shape = _shape(path, start, magic, largest=max_bytes if packed else None)
            promised = math.prod(shape)
            content = read_up_to(file, promised + 1)  # only its end compares an archive's checksum
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"must be a whole gzip archive: {error}") from None
    if len(content) != promised:
        found = "more" if len(content) > promised else len(content)
        raise _damaged(
            path,
            f"must hold the {promised} bytes of shape {shape} that its header promises, got {found}",
        )
    pixels = torch.frombuffer(content, dtype=torch.uint8) if promised else torch.empty(0, dtype=torch.uint8)
    return pixels.view(shape)


def _shape(path: Path, start: bytearray, magic: bytes, *, largest: int | None) -> tuple[int, ...]:
    """What the header at a file's start promises."""
    num_dims = magic[-1]
    if start[:4] != magic or len(start) < 4 + 4 * num_dims:
        raise _damaged(
            path,
            f"must be an IDX file of bytes in {num_dims} dimensions, which starts with {magic.hex()}, "
            f"got one that starts with {start[:4].hex() or 'nothing'} and has a header of {len(start)} bytes",
        )
    shape = struct.unpack(f">{num_dims}I", start[4:])
    if largest is not None and math.prod(shape) > largest:
        raise _damaged(
            path,
            f"must unpack to at most {largest} bytes, got a header that promises {math.prod(shape)} "
            "(if that is right, raise max_bytes, or unpack it first)",
        )
    return shape


def _damaged(path: Path, rule: str) -> ValueError:
    return ValueError(f"{path}: the file {rule} (replace it, or delete it to have it downloaded again)")
