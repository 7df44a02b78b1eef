"""Whole processes that are killed, meet a full disk or run long."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest

from practicezoo.training import load_checkpoint
from support.resuming import names

PROGRAM = """
import hashlib, os, signal, sys, time
import torch
from torch import nn
from practicezoo import Checkpointer, TensorLoader, fit, seed_everything
from practicezoo.training import Callback

folder, moment = sys.argv[1:]
kind, _, number = moment.partition(":")
counts = dict.fromkeys(["batch", "update", "epoch", "sync", "rename"], 0)

def reached(what):
    counts[what] += 1
    if kind == what and counts[what] == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

def watched(function, what):
    def call(*arguments, **settings):
        reached(what)
        return function(*arguments, **settings)
    return call

os.fsync = watched(os.fsync, "sync")
os.replace = os.rename = watched(os.replace, "rename")

class Watch(Callback):
    def on_step_end(self, run, result):
        reached("update")
    def on_epoch_end(self, run):
        reached("epoch")

torch.set_num_threads(1)
seed_everything(1)
inputs = torch.randn(400, 20)
targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

def batch_seen(batch):
    reached("batch")
    return batch

fit(
    model,
    TensorLoader(inputs, targets, batch_size=16, shuffle=True, transform=batch_seen),
    criterion=nn.CrossEntropyLoss(),
    optimizer=optimizer,
    epochs=5,
    val_loader=[(inputs, targets)],
    lr_scheduler=torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=45),
    accumulate=3,
    callbacks=[Checkpointer(folder, every=4), Watch()],
    resume_from=folder,
)
whole = hashlib.sha256()
for tensor in model.state_dict().values():
    whole.update(tensor.numpy().tobytes())
print(whole.hexdigest())
"""


def run_program(folder: Path, moment: str = "never:0", *, after: float | None = None) -> tuple[int, str]:
    """Exit status and output of the program, killed from outside ``after`` seconds if told so."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), moment], stdout=subprocess.PIPE, text=True
    )
    try:
        output, _ = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return process.returncode, output.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.slow
def test_a_process_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    """An epoch is 25 batches in 9 updates, 3 batches each; the last update has one."""
    chance = random.Random(20)  # noqa: S311
    moments = [
        "epoch:1",
        "epoch:4",
        "update:9",
        "update:18",
        "batch:14",
        "batch:51",
    ]  # 14, 51: within a window
    moments += ["sync:5", "rename:3"]  # while a checkpoint is written
    moments += [f"batch:{chance.randrange(1, 125)}" for _ in range(4)]
    status, whole = run_program(tmp_path / "whole")
    assert (status, len(whole)) == (0, 64)
    for index, moment in enumerate(moments):
        folder = tmp_path / str(index)
        assert run_program(folder, moment) == (-9, ""), moment
        assert run_program(folder) == (0, whole), moment


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.slow
def test_a_process_killed_by_the_clock_again_and_again(tmp_path):
    _, whole = run_program(tmp_path / "whole")
    chance = random.Random(21)  # noqa: S311
    for attempt in itertools.count():
        killed = attempt < 4
        status, output = run_program(tmp_path / "parts", after=chance.uniform(2, 4) if killed else None)
        if status == 0:
            break
    assert output == whole


def test_a_full_disk_is_named_and_the_last_good_checkpoint_stays(tmp_path):
    """A limit on the size of files stands for the disk, from epoch 3 on; it is the child process's own."""
    program = """
import resource, signal, sys, torch
from torch import nn
from practicezoo.training import Callback, Checkpointer, fit

class FillDisk(Callback):
    def on_epoch_end(self, run):
        if run.epoch == 3:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

model = nn.Linear(100, 100)
try:
    fit(
        model,
        [(torch.ones(4, 100), torch.zeros(4, 100))],
        criterion=nn.MSELoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        epochs=5,
        callbacks=[FillDisk(), Checkpointer(sys.argv[1])],
    )
except OSError as error:
    print(error, *error.__notes__, sep="; ")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith(f"{tmp_path / 'update-00000003.pt'} could not be written: ")
    assert "raised by the callback Checkpointer.on_checkpoint" in ran.stdout
    assert names(tmp_path) == ["update-00000001.pt", "update-00000002.pt"]
    assert load_checkpoint(tmp_path / "update-00000002.pt")["progress"]["finished_epochs"] == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory in use is read from /proc")
def test_a_long_run_does_not_grow(tmp_path):
    """Over the last 900 of 1,000 epochs, with a checkpoint, a row and a measurement in each."""
    program = """
import sys, torch
from pathlib import Path
from torch import nn
from practicezoo import Accuracy, Checkpointer, TensorLoader, fit
from practicezoo.training import Callback, CSVLogger

resident = []

class Weigh(Callback):
    def on_epoch_end(self, run):
        if run.epoch in (100, 1000):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(pages * 4096)

torch.set_num_threads(1)
inputs, targets = torch.randn(256, 20), torch.randint(3, (256,))
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters())
fit(
    model,
    TensorLoader(inputs, targets, batch_size=64, shuffle=True),
    criterion=nn.CrossEntropyLoss(),
    optimizer=optimizer,
    epochs=1000,
    val_loader=[(inputs, targets)],
    metrics={"accuracy": Accuracy()},
    callbacks=[CSVLogger(Path(sys.argv[1], "history.csv")), Checkpointer(sys.argv[1]), Weigh()],
)
print(resident[1] - resident[0])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) <= 2**20
