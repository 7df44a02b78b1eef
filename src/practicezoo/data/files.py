"""Files read whole, archives no further than they should."""

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

__all__ = ["MAX_BYTES", "read_up_to", "read_whole"]

MAX_BYTES = 2**26  # of an archive of numbers, unpacked: a table of them takes up to 27 times as much memory
CHUNK = 2**20


def read_whole(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file, unpacked if its name ends in ``.gz``.

    Args:
        path: the file.
        max_bytes: what an archive may unpack to; a file that is none may be of any size.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if the archive is damaged or too large; the message names it.
    """
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as archive:
            content = read_up_to(archive, max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: the file must be a whole gzip archive: {error}") from None
    if len(content) > max_bytes:
        raise ValueError(
            f"{path}: the archive must unpack to at most {max_bytes} bytes, got more (raise max_bytes, or "
            "unpack it first)"
        )
    return bytes(content)


def read_up_to(file: BinaryIO | gzip.GzipFile, num_bytes: int) -> bytearray:
    """The next bytes of a file, fewer if it ends: memory grows with what is there."""
    content = bytearray()
    while len(content) < num_bytes and (chunk := file.read(min(CHUNK, num_bytes - len(content)))):
        content += chunk
    return content
