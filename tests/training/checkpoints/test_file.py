"""Laws of checkpoints: whole or not at all, and nothing in them runs."""

import os
import pickle
import re
import stat
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import Adam

from practicezoo.training import History, load_checkpoint, save_checkpoint
from practicezoo.training.checkpoints.file import _Hashing
from support.toys import classes, close, mlp

DAMAGED = "is damaged or no checkpoint of this version of practicezoo"
STATE = {
    "weights": torch.arange(6.0).view(2, 3),
    "names": ["Álvarez", "Li"],
    "best": {"epoch": 3, "loss": 0.1},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


def test_round_trip(path):
    save_checkpoint(path, STATE)
    for name in (path, str(path)):
        state = load_checkpoint(name)
        assert torch.equal(state.pop("weights"), STATE["weights"])
        assert state == {name: value for name, value in STATE.items() if name != "weights"}


def test_training_state_round_trip(path):
    model, history = mlp(), History()
    optimizer = Adam(model.parameters())
    nn.functional.cross_entropy(model(classes()[0]), classes()[1]).backward()
    optimizer.step()
    history.append({"train_loss": 1 / 3})
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": history.state_dict(),
        "random": torch.get_rng_state(),
    }
    save_checkpoint(path, state)
    close(load_checkpoint(path), state, tolerance=0)


def test_tensors_go_where_they_are_sent(path):
    save_checkpoint(path, STATE)
    assert load_checkpoint(path, map_location="meta")["weights"].device.type == "meta"


@pytest.mark.parametrize("device", ["cuda:99", "cude", torch.device("xla")])
def test_a_device_that_is_not_there(path, device):
    save_checkpoint(path, STATE)
    with pytest.raises(ValueError, match=f"map_location must be a device of this machine, got '{device}'"):
        load_checkpoint(path, map_location=device)


def test_a_device_that_is_full_is_no_damage(path, monkeypatch):
    def fail(*arguments, **settings):
        raise torch.OutOfMemoryError("CUDA out of memory")

    save_checkpoint(path, STATE)
    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        load_checkpoint(path)


@pytest.mark.gpu
def test_what_was_saved_on_a_gpu_comes_back_on_either(path, cuda):
    save_checkpoint(path, {"weights": STATE["weights"].to(cuda)})
    for device in ("cpu", cuda, "cuda:0"):
        weights = load_checkpoint(path, map_location=device)["weights"]
        assert weights.device.type == torch.device(device).type
        assert torch.equal(weights.cpu(), STATE["weights"])


def test_the_callers_state_is_not_changed(path):
    state = {"epoch": 1}
    save_checkpoint(path, state)
    load_checkpoint(path)["more"] = 2
    assert state == {"epoch": 1}


def test_a_new_file_takes_the_old_ones_place(path):
    for epoch in (1, 2):
        save_checkpoint(path, {"epoch": epoch})
    assert load_checkpoint(path) == {"epoch": 2}
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_alone(path, monkeypatch, error):
    def fail(state, file):
        file.write(b"half a checkpoint")
        raise error

    save_checkpoint(path, {"epoch": 1})
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(type(error)):
        save_checkpoint(path, {"epoch": 2})
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208
    assert load_checkpoint(path) == {"epoch": 1}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_the_old_file_stays_until_the_new_one_is_on_the_disk(path, monkeypatch, call):
    def fail(*arguments, **settings):
        raise OSError("the disk is gone")

    save_checkpoint(path, {"epoch": 1})
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="the disk is gone"):
        save_checkpoint(path, {"epoch": 2})
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208
    assert load_checkpoint(path) == {"epoch": 1}


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions on Windows")
def test_permissions_are_those_of_other_files(path):
    other = path.with_name("other")
    other.touch()
    save_checkpoint(path, STATE)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_state_that_cannot_be_saved(path):
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_checkpoint(path, {"function": lambda: None})
    assert not any(path.parent.iterdir())


def test_missing_folder(path):
    with pytest.raises(FileNotFoundError):
        save_checkpoint(path.parent / "nowhere" / "model.pt", STATE)


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_folder_that_cannot_be_written(path):
    path.parent.chmod(0o500)
    with pytest.raises(PermissionError):
        save_checkpoint(path, STATE)
    path.parent.chmod(0o700)
    assert not path.exists()


def test_missing_file(path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
        load_checkpoint(path)


def test_a_folder_is_no_checkpoint(path):
    path.mkdir()
    message = f"^path must be a file's, got the folder {re.escape(str(path))}$"
    with pytest.raises(IsADirectoryError, match=message):
        load_checkpoint(path)
    with pytest.raises(IsADirectoryError, match=message):
        save_checkpoint(path, {"step": 1})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"epoch,train_loss\n1,0.5\n",
        "Álvarez".encode("latin-1"),
        b"PK\x03\x04",
        bytes(range(256)),
        b"\x80\x02.",
    ],
    ids=["empty", "newline", "text", "latin-1", "zip", "bytes", "pickle"],
)
def test_foreign_content(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path} {DAMAGED}')}$"):
        load_checkpoint(path)


@pytest.mark.parametrize("state", [{"epoch": 1}, torch.zeros(3), [1, 2], {"practicezoo_checkpoint": 0}])
def test_a_file_of_torch_save_is_told_from_a_damaged_one(path, state):
    torch.save(state, path)
    message = "was written by torch.save, not by save_checkpoint: torch.load reads it"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path} {message}')}$"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"practicezoo_checkpoint": 99}, "must have the format 2, .*, got 99"),
        ({"practicezoo_checkpoint": "2"}, "must have the format 2, .*, got '2'"),
        ({"epoch": 1}, DAMAGED),
        ([1, 2], DAMAGED),
        (torch.zeros(3), DAMAGED),
    ],
)
def test_what_a_right_checksum_covers_is_looked_at_too(path, state, message):
    save_with_digest(state, path)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_a_module_is_no_state(path):
    with pytest.raises(
        TypeError, match=r"state must be a dict, got Linear: a module's is its state_dict\(\)"
    ):
        save_checkpoint(path, torch.nn.Linear(1, 1))
    assert not path.exists()


def test_an_archive_that_promises_more_than_it_holds_is_refused(path, tmp_path):
    save_checkpoint(path, {"weights": torch.zeros(100_000)})
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry.filename))
    with path.open("wb") as file:
        hashing = _Hashing(file)
        hashing.write(packed.read_bytes())
        hashing.append_digest()
    with pytest.raises(ValueError, match=r"must hold at most its own [\d,]+ bytes, and promises [\d,]+$"):
        load_checkpoint(path)


def test_numbers_of_numpy_are_stored_as_pythons_own(path):
    rate = np.logspace(-3, -1, 3)[1]
    numbers: dict[Any, Any] = {"lr": rate, np.int64(3): [np.float32(0.5)], "flag": np.bool_(True)}
    save_checkpoint(path, numbers)
    state = load_checkpoint(path)
    assert state == {"lr": rate, 3: [0.5], "flag": True}
    assert [type(value) for value in state.values()] == [float, list, bool]


@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file(tmp_path_factory, share):
    path = tmp_path_factory.getbasetemp() / "truncated.pt"
    save_checkpoint(path, STATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=DAMAGED):
        load_checkpoint(path)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_single_flipped_bit_is_noticed_wherever_it_is(tmp_path_factory, place, bit):
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ValueError, match=DAMAGED):
        load_checkpoint(path)


def test_appended_bytes_are_noticed(path):
    save_checkpoint(path, STATE)
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=DAMAGED):
        load_checkpoint(path)


def test_torch_reads_the_file_as_any_other_of_its_own(path):
    save_checkpoint(path, STATE)
    assert torch.equal(torch.load(path, weights_only=True)["weights"], STATE["weights"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self):
        return Path.touch, (self.sprung,)


def save_with_digest(state, path):
    with path.open("wb") as file:
        hashing = _Hashing(file)
        torch.save(state, hashing)
        hashing.append_digest()


@pytest.mark.parametrize(
    "save", [torch.save, save_with_digest, lambda state, path: path.write_bytes(pickle.dumps(state))]
)
def test_nothing_is_executed(path, save):
    sprung = path.with_name("sprung")
    state = {"practicezoo_checkpoint": 1, "trap": Trap(sprung)}
    pickle.loads(pickle.dumps(state))  # noqa: S301
    sprung.unlink()  # the trap works
    save(state, path)
    with pytest.raises(ValueError, match=f"{DAMAGED}|was written by torch.save"):
        load_checkpoint(path)
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"loss": np.zeros(2)}, r"state\['loss'\] must be a tensor, number or string, got ndarray"),
        ({"rows": [1, {2}]}, r"state\['rows'\]\[1\] must be a tensor, number or string, got set"),
        ({"rows": defaultdict(int)}, r"state\['rows'\] must be a tensor, number or string, got defaultdict"),
        ({Path("a"): 1}, "a key of state must be a tensor, number or string, got PosixPath"),
    ],
)
def test_what_could_not_be_read_back_is_refused_when_it_is_saved(state, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        save_checkpoint(tmp_path / "state.pt", state)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the checkpoint's folder must exist, got .*missing"):
        save_checkpoint(tmp_path / "missing" / "state.pt", {})


def test_a_full_disk_keeps_the_old_file(tmp_path):
    """A limit on the file size stands for the disk; the limit is the child process's own."""
    program = """
import resource, signal, sys, torch
from practicezoo.training import load_checkpoint, save_checkpoint
path = sys.argv[1]
save_checkpoint(path, {"epoch": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_checkpoint(path, {"weights": torch.zeros(1_000_000)})
except OSError as error:
    print(error)
print(load_checkpoint(path))
"""
    path = tmp_path / "state.pt"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(f"{path} could not be written: ")
    assert lines[1] == "{'epoch': 1}"
    assert [found.name for found in tmp_path.iterdir()] == ["state.pt"]
