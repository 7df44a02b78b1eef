"""Laws of files that are written whole or not at all."""

import errno
import os
import re
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from practicezoo.runtime.files import leftovers, lock_folder, make_folder, write_whole
from practicezoo.runtime.processes import launched_rank


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.txt"


def write(path, content=b"new"):
    with write_whole(path) as file:
        file.write(content)


def test_the_old_content_stays_until_the_end(path):
    path.write_bytes(b"old")
    with write_whole(str(path)) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_after_an_error_the_old_file_is_all_there_is(path, error):
    path.write_bytes(b"old")

    def fail():
        with write_whole(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_file_and_folder_are_synced_to_the_disk(path, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode)) or sync(file)
    )
    write(path)
    assert synced == ([False] if os.name == "nt" else [False, True])


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions on Windows")
def test_permissions_of_the_old_file_stay_and_a_new_one_has_those_of_others(path):
    other = path.with_name("other")
    other.touch()
    write(path)
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o640)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(path, tmp_path):
    target = tmp_path / "target.txt"
    path.symlink_to(target)
    write(path)
    assert path.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_missing_folder(path):
    folder = path.parent / "missing"
    message = re.escape(f"the file's folder must exist, got {folder}")
    with pytest.raises(FileNotFoundError, match=message), write_whole(folder / "notes.txt"):
        pass


def test_a_folder_in_the_place_of_the_file(path):
    path.mkdir()
    message = re.escape(f"path must be a file's, got the folder {path}")
    with pytest.raises(IsADirectoryError, match=message), write_whole(path):
        pass
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("below", [".", "one", "one/two"])
def test_a_file_in_the_place_of_a_folder(path, below):
    path.touch()
    message = re.escape(f"folder must be a folder's path, got the file {path}")
    with pytest.raises(NotADirectoryError, match=message):
        make_folder(path / below)


def test_what_a_killed_process_left_is_found(path, monkeypatch):
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process removes nothing
    with pytest.raises(KeyboardInterrupt), write_whole(path):
        raise KeyboardInterrupt
    assert len(leftovers(path.parent, "notes.txt")) == len(leftovers(path.parent, "n*")) == 1
    assert leftovers(path.parent, "other.txt") == []


def test_the_launched_rank_is_torchruns_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert launched_rank() == 0
    monkeypatch.setenv("RANK", "3")  # of a queue of jobs
    assert launched_rank() == 0
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert launched_rank() == 3


def test_where_folders_cannot_be_locked_a_file_in_it_is(tmp_path, monkeypatch):
    """As on Windows, whose locks are played by those of POSIX."""
    fcntl = pytest.importorskip("fcntl")
    lock = fcntl.LOCK_EX | fcntl.LOCK_NB
    windows = SimpleNamespace(LK_NBLCK=2, locking=lambda file, mode, num_bytes: fcntl.flock(file, lock))
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setattr("practicezoo.runtime.files.fcntl", None)
    with lock_folder(tmp_path):
        for _ in range(2):  # who was refused has not let it go
            with pytest.raises(BlockingIOError, match="must be free, but another"), lock_folder(tmp_path):
                pass
    with lock_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_fcntl", [True, False])
def test_an_error_other_than_a_lock_is_no_other_run(has_fcntl, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=fail))
    name = "practicezoo.runtime.files.fcntl"
    monkeypatch.setattr(name, SimpleNamespace(LOCK_EX=2, LOCK_NB=4, flock=fail) if has_fcntl else None)
    with pytest.raises(OSError, match="No locks available"), lock_folder(tmp_path):
        pass
