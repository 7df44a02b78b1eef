"""Small text files, read whole."""

import gzip
import zlib
from pathlib import Path

__all__ = ["read_whole"]


def read_whole(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in ``.gz``.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if the archive is damaged; the message names it.
    """
    raw = path.read_bytes()
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: the file must be a whole gzip archive: {error}") from None
