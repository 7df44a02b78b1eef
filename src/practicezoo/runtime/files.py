"""Files written whole or not at all."""

import errno
import importlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "check_no_folder",
    "is_locked",
    "leftovers",
    "lock_folder",
    "make_folder",
    "write_whole",
]

HELD: set[int] = set()  # file descriptors of locks


@contextmanager
def write_whole(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` at the end: a reader finds the old file or the new one.

    It is written under another name in the same folder, synced to the disk, and renamed; after an error it is
    removed, and the old file stays. A link stays a link, and an old file's permissions stay.

    Args:
        path: the file; its folder must exist.

    Raises:
        IsADirectoryError: if ``path`` is a folder.
        OSError: if the folder is not there or cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with write_whole(path) as file:
        ...     _ = file.write(b"all of it")
        >>> path.read_text()
        'all of it'
    """
    path = Path(path).resolve()
    check_no_folder(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the file's folder must exist, got {path.parent}")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def check_no_folder(path: Path) -> None:
    """Raise IsADirectoryError if ``path``, which is to be a file, is a folder."""
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file's, got the folder {path}")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if it is not there.

    Raises:
        NotADirectoryError: if it, or what is above it, is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        files = (path for path in (folder, *folder.parents) if path.exists() and not path.is_dir())
        raise NotADirectoryError(f"folder must be a folder's path, got the file {next(files)}") from None


def leftovers(folder: Path, pattern: str) -> list[Path]:
    """What processes that were killed while they wrote files of this name, or glob pattern, have left."""
    return [*folder.glob(f".{pattern}.*.tmp")]


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep everyone else who asks for it out of a folder; the system lets go when a process is killed.

    Args:
        folder: made if it is not there.

    Raises:
        BlockingIOError: if someone else holds it.
        NotADirectoryError: if it is a file.
    """
    make_folder(folder)
    file = folder if fcntl else folder / ".lock"  # Windows locks files only
    descriptor = os.open(file, os.O_RDONLY if fcntl else os.O_RDWR | os.O_CREAT)
    HELD.add(descriptor)
    is_taken = False
    try:
        is_taken = _take(descriptor)
        if not is_taken:
            raise BlockingIOError(f"{folder} must be free, but another run trains into it")
        yield
    finally:
        HELD.discard(descriptor)
        os.close(descriptor)
        if is_taken and file is not folder:
            with suppress(OSError):  # someone else has just opened it
                file.unlink()


def _take(descriptor: int) -> bool:
    """Lock what is open, if nobody else has."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt: Any = importlib.import_module("msvcrt")  # unknown to type checkers elsewhere
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
            raise
        return False
    return True


def is_locked(folder: Path) -> bool:
    """Whether someone holds :func:`lock_folder` of a folder."""
    try:
        import fcntl
    except ImportError:  # Windows has no locks of folders
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _let_go() -> None:
    """Close the locks' files in a process that was just forked, which would hold them as long as it lives."""
    for descriptor in HELD:
        os.close(descriptor)
    HELD.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_let_go)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
