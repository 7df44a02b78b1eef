"""Resumed = uninterrupted, whatever a loader samples with, however a run stopped, whoever else is there."""

import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from practicezoo import Callback, Checkpointer, EarlyStopping, fit, load_checkpoint, save_checkpoint
from practicezoo.runtime.files import lock_folder
from practicezoo.training import WeightAveraging
from support.slow import slow_unless

N, BATCH = 12, 4
X = torch.arange(float(N))[:, None] / N


class Shuffled(Sampler):
    """Shuffles with a generator of its own."""

    def __init__(self, rng):
        self.rng = rng

    def __len__(self):
        return N

    def __iter__(self):
        order = list(range(N))
        self.rng.shuffle(order)
        return iter(order)


class Counting(Sampler):
    """Says where it is by itself."""

    def __init__(self):
        self.epoch = 0

    def __len__(self):
        return N

    def __iter__(self):
        self.epoch += 1
        return iter([(5 * index + self.epoch) % N for index in range(N)])

    def state_dict(self):
        return {"epoch": self.epoch}

    def load_state_dict(self, state):
        self.epoch = state["epoch"]


class Noisy(Dataset):
    """Adds noise of its own generator."""

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def __len__(self):
        return N

    def __getitem__(self, index):
        return X[index] + float(self.rng.normal()), X[index]


DATA = TensorDataset(X, X)
LOADERS = {
    "numpy's generator": lambda: DataLoader(DATA, BATCH, sampler=Shuffled(np.random.default_rng(0))),
    "numpy's old generator": lambda: DataLoader(DATA, BATCH, sampler=Shuffled(np.random.RandomState(0))),
    "python's generator": lambda: DataLoader(DATA, BATCH, sampler=Shuffled(random.Random(0))),  # noqa: S311
    "another bit generator": lambda: DataLoader(
        DATA, BATCH, sampler=Shuffled(np.random.Generator(np.random.MT19937(0)))
    ),
    "a state of its own": lambda: DataLoader(DATA, BATCH, sampler=Counting()),
    "a data set with noise": lambda: DataLoader(Noisy(), BATCH, shuffle=True),
}


class Die(Callback):
    def __init__(self, at):
        self.at = at

    def on_step_end(self, run, result):
        if run.num_updates == self.at:
            raise KeyboardInterrupt


def train(folder, make_loader, *, die=None, epochs=4, callbacks=(), every=1, val_loader=None):
    """The weights and the history; None if the run died."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    try:
        history = fit(
            model,
            make_loader(),
            criterion=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
            epochs=epochs,
            callbacks=[*callbacks, Die(die), Checkpointer(folder, every=every)],
            resume_from=folder,
            val_loader=val_loader,
        )
    except KeyboardInterrupt:
        return None
    return model.weight.item(), model.bias.item(), history["train_loss"]


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("die", slow_unless([2, 3, 5, 7], {3, 5}))
def test_generators_and_states_of_a_loaders_own_are_put_back(name, die, tmp_path):
    whole = train(tmp_path / "whole", LOADERS[name])
    assert train(tmp_path / "parts", LOADERS[name], die=die) is None
    assert train(tmp_path / "parts", LOADERS[name]) == whole


@pytest.mark.slow
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("die", [2, 4, 5, 8])
def test_persistent_workers_resume_exactly(die, validated, tmp_path):
    def make():
        return DataLoader(DATA, BATCH, shuffle=True, num_workers=1, persistent_workers=True)

    def run(folder, **settings):
        val_loader = make() if validated else None
        return train(tmp_path / folder, make, val_loader=val_loader, **settings)

    whole = run("whole")
    assert run("parts", die=die) is None
    assert run("parts") == whole


@pytest.mark.parametrize("callback", ["stopping", "averaging"])
def test_a_run_is_extended_from_its_trained_weights(callback, tmp_path):
    def make(folder, epochs):
        torch.manual_seed(0)
        model = nn.Linear(1, 1)
        watchers = {
            "stopping": lambda: EarlyStopping("train_loss", patience=1000, restore_best=True),
            "averaging": lambda: WeightAveraging(model, decay=0.5, copy_back=True),
        }
        history = fit(
            model,
            DataLoader(DATA, BATCH, shuffle=True),
            criterion=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.9, momentum=0.9),
            epochs=epochs,
            callbacks=[watchers[callback](), Checkpointer(folder)],
            resume_from=folder,
        )
        return history["train_loss"], model.weight.item()

    make(tmp_path / "parts", 5)
    assert make(tmp_path / "parts", 10) == make(tmp_path / "whole", 10)


def stopping(patience):
    return EarlyStopping("train_loss", mode="max", patience=patience)  # it falls: stops at once


def test_a_run_that_stopped_early_says_why_it_does_not_go_on(tmp_path):
    *_, losses = train(tmp_path, LOADERS["a state of its own"], callbacks=[stopping(1)], epochs=9)
    assert len(losses) < 9
    message = f"the run stopped early after epoch {len(losses)}, asked by EarlyStopping: nothing is trained"
    with pytest.warns(UserWarning, match=message):
        train(tmp_path, LOADERS["a state of its own"], callbacks=[stopping(1)], epochs=9)


@pytest.mark.parametrize(
    "callbacks", [[], [stopping(1000)]], ids=["without the callback", "with more patience"]
)
def test_a_run_that_stopped_early_decides_anew(callbacks, tmp_path):
    train(tmp_path / "parts", LOADERS["a state of its own"], callbacks=[stopping(1)], epochs=9)
    resumed = train(tmp_path / "parts", LOADERS["a state of its own"], callbacks=callbacks, epochs=9)
    assert resumed == train(tmp_path / "whole", LOADERS["a state of its own"], epochs=9)


def test_two_runs_in_one_folder_at_once_are_refused(tmp_path):
    class SecondRun(Callback):
        def on_step_end(self, run, result):
            if run.num_updates == 2:
                with pytest.raises(BlockingIOError, match=f"{tmp_path} must be free, but another run trains"):
                    train(tmp_path, LOADERS["a state of its own"])

    assert train(tmp_path, LOADERS["a state of its own"], callbacks=[SecondRun()]) is not None
    train(tmp_path, LOADERS["a state of its own"], epochs=5)  # free again


def test_a_killed_process_leaves_no_lock(tmp_path):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from practicezoo.runtime.files import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ran.returncode == -9
    assert train(tmp_path, LOADERS["a state of its own"]) is not None


@pytest.mark.parametrize("oddity", ["folder", "link to itself", "dangling link", "renamed", "no run"])
def test_an_oddity_under_the_highest_number_is_passed_over(oddity, tmp_path):
    whole = train(tmp_path / "whole", LOADERS["a state of its own"])
    folder = tmp_path / "parts"
    train(folder, LOADERS["a state of its own"], die=7)
    odd = folder / "update-00000099.pt"
    if oddity == "folder":
        odd.mkdir()
    elif oddity == "link to itself":
        odd.symlink_to(odd.name)
    elif oddity == "dangling link":
        odd.symlink_to("nowhere")
    elif oddity == "renamed":
        odd.write_bytes((folder / "update-00000005.pt").read_bytes())
    else:
        save_checkpoint(odd, {"model": {}})
    with pytest.warns(UserWarning, match=r"update-00000099\.pt.*: passing over it"):
        assert train(folder, LOADERS["a state of its own"]) == whole


def test_a_foreign_runs_checkpoint_is_not_resumed_without_a_word(tmp_path):
    for name, die in (("one", 5), ("other", 8)):
        train(tmp_path / name, LOADERS["a state of its own"], die=die)
    foreign = tmp_path / "other" / "update-00000007.pt"
    (tmp_path / "one" / foreign.name).write_bytes(foreign.read_bytes())
    message = "must hold one run's checkpoints, but update-00000007.pt and update-00000004.pt are of two runs"
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "one", LOADERS["a state of its own"])


def test_a_compiled_model_is_stored_under_its_plain_names(tmp_path):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    settings = {"criterion": nn.MSELoss(), "optimizer": optimizer, "resume_from": tmp_path}
    settings["callbacks"] = [Checkpointer(tmp_path), EarlyStopping("train_loss", restore_best=True)]
    compiled = torch.compile(model, backend="eager")
    with warnings.catch_warnings(action="ignore"):
        fit(compiled, [(X, X)], epochs=1, **settings)
        assert sorted(load_checkpoint(tmp_path / "update-00000001.pt")["model"]) == ["bias", "weight"]
        fit(model, [(X, X)], epochs=2, **settings)
        fit(torch.compile(model, backend="eager"), [(X, X)], epochs=3, **settings)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX systems only")
def test_a_forked_worker_does_not_hold_the_lock(tmp_path):
    program = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from practicezoo.runtime.files import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])):\n"
        "    if os.fork() == 0: print(os.getpid(), flush=True)\n"
        "    time.sleep(60); os._exit(0)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        child = int(ran.stdout.readline())  # it runs
        ran.kill()
        assert ran.wait() == -9
    try:
        with lock_folder(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    "broken", ["model", "optimizers", "ranks", "progress", "history", "callbacks", "run_id"]
)
@pytest.mark.parametrize("value", slow_unless([None, 3, "missing"], {"missing"}))
def test_a_forged_state_under_the_highest_number_is_passed_over(broken, value, tmp_path):
    whole = train(tmp_path / "whole", LOADERS["a state of its own"])
    folder = tmp_path / "parts"
    train(folder, LOADERS["a state of its own"], die=6)
    state = load_checkpoint(folder / "update-00000005.pt")
    state[broken] = value
    if value == "missing":
        del state[broken]
    save_checkpoint(folder / "update-00000005.pt", state)
    with pytest.warns(UserWarning, match=r"update-00000005\.pt holds no run's state: passing over it"):
        assert train(folder, LOADERS["a state of its own"]) == whole
