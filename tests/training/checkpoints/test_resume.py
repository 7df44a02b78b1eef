"""Laws of resuming: a run that was interrupted ends as one that was not, to the bit."""

import hashlib
import itertools
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import EarlyStopping, LengthBucketBatchSampler, TensorLoader
from practicezoo.training import (
    Accuracy,
    Callback,
    Checkpointer,
    fit,
    load_checkpoint,
    save_checkpoint,
    seed_everything,
)
from support.toys import classes, mlp, split

NUM_ITEMS, BATCH_SIZE, EPOCHS = 50, 8, 4
DATASET = TensorDataset(*classes(NUM_ITEMS))


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


class Interrupt(Callback):
    """Ends the run after an update, or after an epoch's other callbacks."""

    def __init__(self, update: int | None, epoch: int | None = None) -> None:
        self.update, self.epoch = update, epoch

    def on_step_end(self, run, result):
        if run.num_updates == self.update:
            raise InterruptionError

    def on_epoch_end(self, run):
        if run.epoch == self.epoch:
            raise InterruptionError


class Noisy(nn.Module):
    """Draws from every global generator as it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, inputs):
        if self.training:
            inputs = inputs * (1 + 0.1 * random.random() + 0.1 * np.random.rand())  # noqa: NPY002, S311
        return self.net(inputs)


LOADERS = {
    "list": lambda: split(*classes(NUM_ITEMS), BATCH_SIZE),
    "tensors": lambda: TensorLoader(*classes(NUM_ITEMS), batch_size=BATCH_SIZE, shuffle=True),
    "tensors, seed": lambda: TensorLoader(*classes(NUM_ITEMS), batch_size=BATCH_SIZE, shuffle=True, seed=3),
    "tensors, generator": lambda: TensorLoader(
        *classes(NUM_ITEMS), batch_size=BATCH_SIZE, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "tensors, noise": lambda: TensorLoader(
        *classes(NUM_ITEMS), batch_size=BATCH_SIZE, shuffle=True, transform=lambda x: x + torch.randn_like(x)
    ),
    "DataLoader": lambda: DataLoader(DATASET, BATCH_SIZE, shuffle=True),
    "DataLoader, generator": lambda: DataLoader(
        DATASET, BATCH_SIZE, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "buckets": lambda: DataLoader(
        DATASET, batch_sampler=LengthBucketBatchSampler(range(1, NUM_ITEMS + 1), BATCH_SIZE, pool_size=2)
    ),
}


def one_cycle(optimizer, accumulate):
    num_updates = math.ceil(math.ceil(NUM_ITEMS / BATCH_SIZE) / accumulate)
    return schedules.OneCycleLR(optimizer, 0.05, total_steps=num_updates * EPOCHS)


def train(folder: Path, interrupt: Callback | None = None, *, loader="tensors", accumulate=1, **settings):
    """Train from the same start; every call resumes what the folder holds."""
    seed_everything(5)
    model = Noisy()
    optimizer = AdamW(model.parameters(), lr=0.05)
    stopping = EarlyStopping("val_loss", patience=3, restore_best=True)
    arguments = {
        "criterion": nn.CrossEntropyLoss(),
        "optimizer": optimizer,
        "epochs": EPOCHS,
        "val_loader": [classes(20)],
        "metrics": {"accuracy": Accuracy()},
        "lr_scheduler": one_cycle(optimizer, accumulate),
        "accumulate": accumulate,
        "callbacks": [Checkpointer(folder, every=2), stopping, *([interrupt] if interrupt else [])],
        "resume_from": folder,
    } | settings
    seed_everything(6)
    history = fit(model, LOADERS[loader](), **arguments)
    values = history.state_dict()
    del values["seconds"]
    return {
        "weights": digest(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "history": values,
        "stopping": (stopping.best_epoch, stopping.best_value),
        "next": (random.random(), np.random.rand(), torch.rand(3).tolist()),  # noqa: NPY002, S311
    }


def digest(state) -> str:
    """The SHA-256 of all values, bit for bit."""
    whole = hashlib.sha256()
    for name, tensor in state.items():
        whole.update(name.encode() + tensor.cpu().numpy().tobytes())
    return whole.hexdigest()


def same(left, right) -> bool:
    texts = left.pop("weights"), right["weights"]
    torch.testing.assert_close(left, {key: right[key] for key in left}, rtol=0, atol=0, equal_nan=True)
    return texts[0] == texts[1]


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("loader", LOADERS)
def test_interrupted_after_any_update_and_resumed(loader, accumulate, tmp_path):
    whole = train(tmp_path / "whole", loader=loader, accumulate=accumulate)
    num_updates = EPOCHS * -(-7 // accumulate)
    for update in range(1, num_updates + 1, 1 if loader == "tensors" else 5):
        folder = tmp_path / str(update)
        with pytest.raises(InterruptionError):
            train(folder, Interrupt(update), loader=loader, accumulate=accumulate)
        assert same(train(folder, loader=loader, accumulate=accumulate), whole)


def test_interrupted_again_and_again(tmp_path):
    whole = train(tmp_path / "whole")
    for update in range(3, 28, 3):
        with pytest.raises(InterruptionError):
            train(tmp_path / "parts", Interrupt(update))
    assert same(train(tmp_path / "parts"), whole)


@pytest.mark.parametrize("every", [1, 3, 7, "epoch"])
@pytest.mark.parametrize("interrupt", [Interrupt(6), Interrupt(7), Interrupt(13), Interrupt(None, 1)])
def test_whatever_the_interval(every, interrupt, tmp_path):
    def callbacks(name):
        return [Checkpointer(tmp_path / name, every=every), *([interrupt] if name == "parts" else [])]

    whole = train(tmp_path / "whole", callbacks=callbacks("whole"))
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", callbacks=callbacks("parts"))
    resumed = train(tmp_path / "parts", callbacks=[Checkpointer(tmp_path / "parts", every=every)])
    assert same(resumed, whole)


@pytest.mark.filterwarnings("ignore:.* multi-threaded:DeprecationWarning")  # a DataLoader's own, as it forks
def test_worker_processes_draw_the_same_numbers_again(tmp_path, monkeypatch):
    monkeypatch.setitem(
        LOADERS, "workers", lambda: DataLoader(Augmented(), BATCH_SIZE, shuffle=True, num_workers=2)
    )
    whole = train(tmp_path / "whole", loader="workers")
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", Interrupt(11), loader="workers")
    assert same(train(tmp_path / "parts", loader="workers"), whole)


class Augmented(torch.utils.data.Dataset):
    """Samples with noise."""

    def __len__(self):
        return NUM_ITEMS

    def __getitem__(self, index):
        inputs, target = DATASET[index]
        return inputs + 0.1 * torch.randn(5), target


SCHEDULES = {
    "cosine": lambda optimizer: schedules.CosineAnnealingLR(optimizer, 20),
    "lambda": lambda optimizer: schedules.LambdaLR(optimizer, lambda update: 0.9**update),
    "milestones": lambda optimizer: schedules.MultiStepLR(optimizer, [3, 3, 12]),
    "plateau": lambda optimizer: schedules.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
    "restarts": lambda optimizer: schedules.CosineAnnealingWarmRestarts(optimizer, 5),
    "cyclic": lambda optimizer: schedules.CyclicLR(optimizer, 0.01, 0.1, 3, cycle_momentum=False),
    "sequence": lambda optimizer: schedules.SequentialLR(
        optimizer,
        [schedules.LinearLR(optimizer, total_iters=4), schedules.ExponentialLR(optimizer, 0.95)],
        milestones=[4],
    ),
    "chain": lambda optimizer: schedules.ChainedScheduler(
        [schedules.ConstantLR(optimizer, total_iters=4), schedules.ExponentialLR(optimizer, 0.95)]
    ),
}


@pytest.mark.parametrize("interval", ["update", "epoch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # torch's own, inside SequentialLR
def test_every_schedule_goes_on_where_it_was(schedule, interval, tmp_path):
    def run(folder, *interrupts):
        seed_everything(5)
        model = mlp()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = fit(
            model,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=EPOCHS,
            lr_scheduler=SCHEDULES[schedule](optimizer),
            lr_scheduler_interval=interval,
            callbacks=[Checkpointer(folder, every=3), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict()), history["learning_rate"]

    whole = run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", Interrupt(17))
    assert run(tmp_path / "parts") == whole
    assert len(set(whole[1])) > 1 or schedule == "restarts"


def test_several_optimizers_schedules_and_a_criterion_with_weights_of_its_own(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, outputs, targets):
            return nn.functional.cross_entropy(outputs * self.scale, targets)

    def run(folder, *interrupts):
        seed_everything(5)
        model, criterion = mlp(), Scaled()
        optimizers = [
            SGD(model[0].parameters(), lr=0.1, momentum=0.9),
            Adam([*model[1:].parameters(), *criterion.parameters()]),
        ]
        fit(
            model,
            LOADERS["tensors"](),
            criterion=criterion,
            optimizer=optimizers,
            epochs=EPOCHS,
            lr_scheduler=[schedules.ExponentialLR(each, 0.9) for each in optimizers],
            callbacks=[Checkpointer(folder, every=3), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict()), criterion.scale.item()

    whole = run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", Interrupt(17))
    assert run(tmp_path / "parts") == whole
    assert whole[1] != 1


def unwrapped(model):
    return model


@pytest.mark.parametrize("before", [nn.DataParallel, unwrapped])
@pytest.mark.parametrize("after", [nn.DataParallel, unwrapped])
def test_a_model_in_dataparallel_or_not_is_resumed_in_it_or_not(before, after, tmp_path):
    def run(folder, wrap, *interrupts):
        seed_everything(5)
        model = Noisy()
        wrapped = wrap(model)
        optimizer = AdamW(wrapped.parameters(), lr=0.05)
        fit(
            wrapped,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=2,
            callbacks=[Checkpointer(folder, every=2), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict())

    whole = run(tmp_path / "whole", unwrapped)
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", before, Interrupt(9))
    assert run(tmp_path / "parts", after) == whole


def test_a_finished_run_is_not_trained_again(tmp_path):
    whole = train(tmp_path)
    updates = []

    class Count(Callback):
        def on_step_end(self, run, result):
            updates.append(run.num_updates)

    assert same(train(tmp_path, Count()), whole)
    assert updates == []


def test_a_finished_run_is_extended(tmp_path):
    train(tmp_path, epochs=2, lr_scheduler=None)
    longer = train(tmp_path, lr_scheduler=None)
    assert same(longer, train(tmp_path / "whole", lr_scheduler=None))


def test_a_run_that_was_stopped_in_an_epoch_finishes_the_epoch(tmp_path):
    class Stop(Callback):
        def on_step_end(self, run, result):
            run.should_stop = run.should_stop or run.num_updates == 9

    whole = train(tmp_path / "whole", callbacks=[Stop()], resume_from=None)
    with pytest.raises(InterruptionError):
        train(
            tmp_path / "parts", callbacks=[Stop(), Checkpointer(tmp_path / "parts", every=1), Interrupt(11)]
        )
    resumed = train(tmp_path / "parts", callbacks=[Stop(), Checkpointer(tmp_path / "parts")])
    assert resumed["weights"] == whole["weights"]
    assert len(resumed["history"]["train_loss"]) == 2


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        with pytest.raises(InterruptionError):
            train(tmp_path, Interrupt(15))
        assert names(tmp_path) == ["update-00000010.pt", "update-00000012.pt", "update-00000014.pt"]
        return tmp_path

    @pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
    def test_the_one_before_is_used_with_a_warning(self, folder, damage, tmp_path_factory):
        newest = folder / "update-00000014.pt"
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 8
        newest.write_bytes({"cut": content[:-100], "flip": content, "empty": b""}[damage])
        whole = train(tmp_path_factory.mktemp("whole"))
        with pytest.warns(UserWarning, match=r"update-00000014\.pt is damaged .*: passing over it"):
            assert same(train(folder), whole)

    def test_all_damaged(self, folder):
        for path in folder.iterdir():
            path.write_bytes(path.read_bytes()[:1000])
        with (
            pytest.warns(UserWarning, match="passing over it"),
            pytest.raises(
                ValueError, match="must hold a checkpoint that can be read, all 3 are damaged: remove them"
            ),
        ):
            train(folder)
        assert len(names(folder)) == 3

    def test_files_of_others_are_left_alone(self, folder):
        leftover = folder / ".update-00000016.pt.x.tmp"  # of a process that was killed as it wrote
        leftover.touch()
        others = ["update-notes.pt", "model.pt"]
        for name in others:
            (folder / name).write_text("mine")
        train(folder)
        assert {name: (folder / name).read_text() for name in others} == dict.fromkeys(others, "mine")
        assert not leftover.exists()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestCheckpointer:
    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({}, [14, 21, 28]),
            ({"keep": 1}, [28]),
            ({"every": 5}, [20, 25, 28]),
            ({"every": 5, "keep": 9}, [5, 10, 15, 20, 25, 28]),
        ],
    )
    def test_the_newest_are_kept(self, settings, kept, tmp_path):
        train(tmp_path, callbacks=[Checkpointer(tmp_path / "made", **settings)], resume_from=None)
        assert names(tmp_path / "made") == [f"update-{number:08d}.pt" for number in kept]

    @pytest.mark.parametrize(("monitor", "mode"), [("val_loss", "auto"), ("val_accuracy", "max")])
    def test_the_best_epoch_stays(self, monitor, mode, tmp_path):
        checkpointer = Checkpointer(tmp_path, keep=1, monitor=monitor, mode=mode, extra={"note": "mine"})
        seed_everything(5)
        model = mlp()
        history = fit(
            model,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=3.0),
            epochs=6,
            val_loader=[classes(20)],
            metrics={"accuracy": Accuracy()},
            callbacks=[checkpointer],
        )
        best = history.best(monitor)
        assert best.epoch < 6, "or this test says nothing"
        state = load_checkpoint(tmp_path / "best.pt")
        assert state["progress"]["finished_epochs"] == best.epoch
        assert state["history"][monitor] == history[monitor][: best.epoch]
        assert state["extra"] == {"note": "mine"}

    def test_it_saves_the_others_state_of_the_same_moment(self, tmp_path):
        class Counter(Callback):
            count = 0

            def on_step_end(self, run, result):
                self.count += 1

            def state_dict(self):
                return {"count": self.count}

        train(tmp_path, callbacks=[Checkpointer(tmp_path), Counter()])
        state = load_checkpoint(tmp_path / "update-00000028.pt")
        assert state["callbacks"] == [["Checkpointer", None], ["Counter", {"count": 28}]]

    def test_a_loss_that_is_no_number_is_not_saved(self, tmp_path):
        batches = split(*classes(NUM_ITEMS), BATCH_SIZE)
        batches[4][0][:] = torch.nan
        model = mlp()
        with pytest.raises(FloatingPointError, match="between updates 1 and 7"):
            fit(
                model,
                batches,
                criterion=nn.CrossEntropyLoss(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=1,
                callbacks=[Checkpointer(tmp_path, every=1)],
            )
        assert names(tmp_path) == [f"update-{number:08d}.pt" for number in (2, 3, 4)]

    def test_another_runs_folder_is_refused(self, tmp_path):
        train(tmp_path)
        with pytest.raises(FileExistsError, match=r"must not hold another run's checkpoints: give"):
            train(tmp_path, resume_from=None)

    def test_no_good_checkpoint_of_another_run_or_a_later_time_is_removed(self, tmp_path):
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        train(theirs)
        with pytest.raises(InterruptionError):
            train(ours, Interrupt(9))
        both = [Checkpointer(ours, every=2), Checkpointer(theirs)]
        with pytest.raises(FileExistsError, match=r"theirs must not hold another run's checkpoints"):
            train(ours, callbacks=both)
        message = r"theirs must not hold later checkpoints of this run, found update-00000028\.pt: move them"
        with pytest.raises(FileExistsError, match=message):
            train(theirs, resume_from=theirs / "update-00000026.pt")
        assert names(theirs) == [f"update-{number:08d}.pt" for number in (24, 26, 28)]

    def test_checkpoints_that_came_between_reading_and_locking_are_not_removed(self, tmp_path):
        class OtherRunTrainsOn(Callback):
            def on_run_start(self, run):
                later.rename(tmp_path / "run" / later.name)

        folder = tmp_path / "run"
        with pytest.raises(InterruptionError):
            train(folder, Interrupt(13))
        later = (folder / "update-00000012.pt").rename(tmp_path / "update-00000012.pt")
        message = r"must not hold later checkpoints of this run, found update-00000012\.pt"
        with pytest.raises(FileExistsError, match=message):
            train(folder, callbacks=[OtherRunTrainsOn(), Checkpointer(folder, every=2)])
        assert later.name in names(folder)

    def test_two_folders_of_one_run(self, tmp_path):
        def both():
            return [Checkpointer(tmp_path / "often", every=2), Checkpointer(tmp_path / "rarely")]

        whole = train(tmp_path / "whole", callbacks=[Checkpointer(tmp_path / "whole", every=2)])
        with pytest.raises(InterruptionError):
            train(tmp_path / "often", callbacks=[*both(), Interrupt(9)])
        assert same(train(tmp_path / "often", callbacks=both()), whole)

    def test_weights_that_are_no_numbers_are_not_saved(self, tmp_path):
        class Root(nn.Module):  # a finite loss whose gradient is not
            def forward(self, outputs, targets):
                return (outputs - targets).square().mean().sqrt()

        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        with pytest.raises(FloatingPointError, match="the loss became nan in epoch 2"):
            fit(
                model,
                [(torch.ones(2, 1), torch.ones(2, 1))],
                criterion=Root(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=3,
                callbacks=[Checkpointer(tmp_path)],
            )
        assert names(tmp_path) == []

    def test_best_holds_the_epochs_own_weights(self, tmp_path):
        seen = {}

        class Watch(Callback):
            def on_epoch_end(self, run):
                seen[run.epoch] = digest(run.model.state_dict())

        stopping = EarlyStopping("val_loss", mode="max", patience=9, restore_best=True)  # the worst, in truth
        train(
            tmp_path,
            callbacks=[Watch(), stopping, Checkpointer(tmp_path, monitor="train_loss")],
        )
        best = load_checkpoint(tmp_path / "best.pt")
        assert digest(best["model"]) == seen[best["progress"]["finished_epochs"]]

    @pytest.mark.parametrize(
        ("every", "error", "message"),
        [
            (0, ValueError, "every must be at least 1, got 0"),
            (-1, ValueError, "every must be at least 1, got -1"),
            (2.5, TypeError, "every must be an integer, got 2.5"),
            ("update", ValueError, "every must be 'epoch' or a number of updates, got 'update'"),
        ],
    )
    def test_every(self, every, error, message, tmp_path):
        with pytest.raises(error, match=message):
            Checkpointer(tmp_path, every=every)

    def test_keep_and_mode(self, tmp_path):
        with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
            Checkpointer(tmp_path, keep=0)
        with pytest.raises(ValueError, match="mode must be 'auto', 'min' or 'max', got 'least'"):
            Checkpointer(tmp_path, mode="least")

    def test_a_monitor_that_is_not_measured(self, tmp_path):
        message = "Checkpointer's monitor must be one of train_loss, .*, val_accuracy, got 'val_f1'"
        with pytest.raises(ValueError, match=message):
            train(tmp_path, callbacks=[Checkpointer(tmp_path, monitor="val_f1")])


class TestWhatDoesNotFit:
    @pytest.fixture
    def folder(self, tmp_path):
        with pytest.raises(InterruptionError):
            train(tmp_path, Interrupt(9))
        return tmp_path

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"accumulate": 2}, "accumulate must be 1 as before, got 2"),
            ({"lr_scheduler": None}, "lr_schedulers must be OneCycleLR as before, got none"),
            ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ],
    )
    def test_other_settings(self, folder, settings, message):
        with pytest.raises(ValueError, match=message):
            train(folder, **settings)

    def test_fewer_epochs_than_are_done(self, tmp_path):
        train(tmp_path)
        with pytest.raises(
            ValueError, match=r"cannot resume from .*: epochs must be at least 4, which are done"
        ):
            train(tmp_path, epochs=2, lr_scheduler=None)

    def test_a_loader_that_shuffles_in_another_way(self, folder):
        with pytest.raises(
            ValueError, match="loaders and model must have 0 generators of their own as before, got 1"
        ):
            train(folder, loader="tensors, generator")

    @pytest.mark.parametrize("optimizer", [SGD, Adam])
    def test_another_optimizer(self, folder, optimizer):
        model = Noisy()
        with pytest.raises(ValueError, match=f"optimizers must be AdamW as before, got {optimizer.__name__}"):
            fit(
                model,
                LOADERS["tensors"](),
                criterion=nn.CrossEntropyLoss(),
                optimizer=optimizer(model.parameters(), lr=0.1),
                epochs=1,
                resume_from=folder,
            )

    def test_another_model(self, folder):
        model = nn.Linear(5, 3)
        optimizer = AdamW(model.parameters(), lr=0.1)
        with pytest.raises(
            ValueError, match=r"cannot resume from .*: model must fit the state that was saved: "
        ):
            fit(
                model,
                LOADERS["tensors"](),
                criterion=nn.CrossEntropyLoss(),
                optimizer=optimizer,
                epochs=1,
                lr_scheduler=one_cycle(optimizer, 1),
                resume_from=folder,
            )

    def test_a_file_that_is_no_runs(self, tmp_path):
        save_checkpoint(tmp_path / "model.pt", {"weights": torch.zeros(2)})
        with pytest.raises(ValueError, match=r"cannot resume from .*model\.pt: it holds no run's state"):
            train(tmp_path / "run", resume_from=tmp_path / "model.pt")
        with pytest.raises(FileNotFoundError, match=r"missing\.pt"):
            train(tmp_path / "run", resume_from=tmp_path / "missing.pt")

    def test_a_typo_in_the_folder_is_noticed(self, folder):
        message = "nothing to resume from in .*typo, so the run starts at the first epoch; its .* go to .*new"
        with pytest.warns(UserWarning, match=message):
            train(folder, callbacks=[Checkpointer(folder / "new")], resume_from=folder / "typo")
        with pytest.warns(UserWarning, match=r"the first epoch; no Checkpointer writes its checkpoints$"):
            train(folder, callbacks=[], resume_from=folder / "typo")

    def test_a_file_in_the_place_of_the_folder(self, tmp_path):
        (tmp_path / "notes").touch()
        with pytest.raises(NotADirectoryError, match=r"must be a folder's path, got the file .*notes\n"):
            train(tmp_path / "notes", resume_from=None)

    def test_any_other_file_is_no_checkpoint(self, folder):
        (folder / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"notes\.txt is damaged or no checkpoint"):
            train(folder, resume_from=folder / "notes.txt")

    def test_one_of_the_files_may_be_named(self, folder, tmp_path_factory):
        earlier = tmp_path_factory.mktemp("earlier")
        shutil.copy(folder / "update-00000006.pt", earlier)
        whole = train(tmp_path_factory.mktemp("whole"))
        assert same(train(earlier, resume_from=earlier / "update-00000006.pt"), whole)


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
