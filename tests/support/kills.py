"""Runs that are killed: what each trains, the moments at which it kills itself, and what must come out alike.

A scenario returns what ``fit`` is given, made afresh and always alike. Its run ends with an outcome that does
not depend on how often it was killed.
"""

import csv
import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, RMSprop
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from practicezoo import (
    Accuracy,
    CharGRUClassifier,
    Checkpointer,
    EarlyStopping,
    LengthBucketBatchSampler,
    NameDataset,
    TensorLoader,
    fit,
    pad_collate,
    seed_everything,
)
from practicezoo.training import Callback, CSVLogger, WeightAveraging
from support.toys import classes, mlp

NUM_ITEMS, BATCH_SIZE, EPOCHS = 60, 6, 6
DATA = TensorDataset(*classes(NUM_ITEMS))


class Moment(NamedTuple):
    """When a process kills itself, or does what else the kind says.

    Updates are counted from the run's start, batches, syncs and renames from the process's. "worker" kills a
    worker process at an update, "wait" waits there to be killed.
    """

    kind: str
    number: int


NEVER = Moment("never", 0)


Scenario = Callable[[], dict[str, Any]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Enter a scenario under its name."""
    SCENARIOS[function.__name__] = function
    return function


class Shuffled(Sampler[int]):
    """Samples its order from a generator of its own."""

    def __init__(self, rng: Any) -> None:
        self.rng = rng

    def __len__(self) -> int:
        return NUM_ITEMS

    def __iter__(self):
        if isinstance(self.rng, torch.Generator):
            return iter(torch.randperm(NUM_ITEMS, generator=self.rng).tolist())
        order = list(range(NUM_ITEMS))
        self.rng.shuffle(order)
        return iter(order)


class Rotating(Sampler[int]):
    """Has a state that only it knows, and tells it."""

    def __init__(self) -> None:
        self.epoch = 0

    def __len__(self) -> int:
        return NUM_ITEMS

    def __iter__(self):
        self.epoch += 1
        return iter([(7 * index + self.epoch) % NUM_ITEMS for index in range(NUM_ITEMS)])

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch = state["epoch"]


class OwnDropout(nn.Module):
    """Samples what it drops from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(9)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * (torch.rand(inputs.shape, generator=self.generator) > 0.1)


class Noisy(Dataset[tuple[Tensor, Tensor]]):
    """Adds noise from a generator of its own, or from the global ones."""

    def __init__(self, rng: Any = None) -> None:
        self.rng = rng

    def __len__(self) -> int:
        return NUM_ITEMS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        inputs, target = DATA[index]
        noise = random.random() + float(torch.rand(())) if self.rng is None else self.rng.random()  # noqa: S311
        return inputs + 0.1 * noise, target


class Drifting(Dataset[tuple[Tensor, Tensor]]):
    """Adds what depends on how many samples it has given, and tells it."""

    def __init__(self) -> None:
        self.counts = {"given": 0}

    def __len__(self) -> int:
        return NUM_ITEMS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.counts["given"] += 1
        inputs, target = DATA[index]
        return inputs + 0.1 * (self.counts["given"] % 13), target

    def state_dict(self) -> dict[str, int]:
        return dict(self.counts)

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.counts = dict(state)


def workers(samples: Any = DATA, *, persistent: bool = True, **settings: Any) -> DataLoader[Any]:
    """A loader with two worker processes, forked: others would import torch each time."""
    if "batch_sampler" not in settings:
        settings["batch_size"] = BATCH_SIZE
    return DataLoader(
        samples, num_workers=2, persistent_workers=persistent, multiprocessing_context="fork", **settings
    )


def training(model: nn.Module, train_loader: Any, optimizer: Any, **settings: Any) -> dict[str, Any]:
    """What ``fit`` is given, unless told otherwise."""
    return {
        "model": model,
        "train_loader": train_loader,
        "criterion": nn.CrossEntropyLoss(),
        "optimizer": optimizer,
        "epochs": EPOCHS,
        "val_loader": [classes(20)],
        "metrics": {"accuracy": Accuracy()},
        "callbacks": [],
    } | settings


@scenario
def a_torch_generator_and_persistent_workers() -> dict[str, Any]:
    model = mlp()
    optimizer = AdamW(model.parameters(), lr=0.02)
    loader = workers(shuffle=True, generator=torch.Generator().manual_seed(3))
    cycle = schedules.OneCycleLR(optimizer, 0.05, total_steps=EPOCHS * -(-len(loader) // 3))
    stopping = EarlyStopping("val_loss", patience=5, restore_best=True)
    return training(model, loader, optimizer, lr_scheduler=cycle, accumulate=3, callbacks=[stopping])


@scenario
def a_numpy_sampler_and_persistent_workers_on_both_sides() -> dict[str, Any]:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    return training(
        model,
        workers(sampler=Shuffled(np.random.default_rng(4))),
        optimizer,
        val_loader=workers(shuffle=True),
        lr_scheduler=schedules.StepLR(optimizer, 2, gamma=0.5),
        callbacks=[WeightAveraging(model, decay=0.9, copy_back=True)],
    )


@scenario
def a_python_sampler_and_data_sets_with_generators() -> dict[str, Any]:
    model = nn.Sequential(OwnDropout(), mlp())
    optimizer = RMSprop(model.parameters(), lr=0.01)
    return training(
        model,
        DataLoader(Noisy(np.random.default_rng(1)), BATCH_SIZE, sampler=Shuffled(random.Random(2))),  # noqa: S311
        optimizer,
        val_loader=DataLoader(Noisy(random.Random(5)), 20),  # noqa: S311
        lr_scheduler=schedules.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
        callbacks=[EarlyStopping("val_accuracy", patience=4, restore_best=True)],
        max_grad_norm=0.5,
    )


@scenario
def a_sampler_and_a_data_set_that_tell_their_state() -> dict[str, Any]:
    model = mlp()
    optimizers = [Adam(model[0].parameters(), lr=0.02), SGD(model[1:].parameters(), lr=0.1)]
    restarts = schedules.CosineAnnealingWarmRestarts(optimizers[0], 2)
    return training(
        model,
        DataLoader(Drifting(), BATCH_SIZE, sampler=Rotating()),
        optimizers,
        lr_scheduler=[restarts, schedules.ExponentialLR(optimizers[1], 0.8)],
        accumulate=3,
    )


@scenario
def a_tensor_loader_with_noise() -> dict[str, Any]:
    model = mlp()
    optimizer = AdamW(model.parameters(), lr=0.05)
    parts = [schedules.LinearLR(optimizer, total_iters=2), schedules.CosineAnnealingLR(optimizer, 4)]
    loader = TensorLoader(
        *classes(NUM_ITEMS),
        batch_size=BATCH_SIZE,
        shuffle=True,
        generator=torch.Generator().manual_seed(7),
        transform=lambda inputs: inputs + 0.1 * torch.randn_like(inputs) + 0.1 * random.random(),  # noqa: S311
    )
    return training(
        model,
        loader,
        optimizer,
        lr_scheduler=schedules.SequentialLR(optimizer, parts, milestones=[2]),
        accumulate=3,
        callbacks=[WeightAveraging(model, decay=0.9), EarlyStopping("train_loss", patience=5)],
    )


@scenario
def buckets_of_names_in_workers_of_each_epoch() -> dict[str, Any]:
    torch.manual_seed(0)
    names = NameDataset([("ab" * (1 + index % 9) + "c", "xyz"[index % 3]) for index in range(NUM_ITEMS)])
    model = CharGRUClassifier(len(names.vocab), 3, embedding_dim=4, hidden_size=8)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = workers(
        names,
        persistent=False,
        batch_sampler=LengthBucketBatchSampler(names.lengths, BATCH_SIZE, pool_size=3),
        collate_fn=pad_collate,
    )
    cycle = schedules.CyclicLR(optimizer, 0.05, 0.2, step_size_up=7)
    return training(model, loader, optimizer, val_loader=[names.tensors()], lr_scheduler=cycle)


@scenario
def random_numbers_of_workers_of_each_epoch() -> dict[str, Any]:
    model = mlp()
    optimizer = AdamW(model.parameters(), lr=0.02)
    loader = workers(Noisy(), persistent=False, sampler=Shuffled(torch.Generator().manual_seed(8)))
    return training(
        model, loader, optimizer, lr_scheduler=schedules.LambdaLR(optimizer, lambda epoch: 0.9**epoch)
    )


class Watch(Callback):
    """Does at its moment what the moment says."""

    def __init__(self, moment: Moment, folder: Path) -> None:
        self.moment, self.folder = moment, folder
        self.num_updates = 0
        self.counts: Counter[str] = Counter()

    def reached(self, kind: str, number: int | None = None) -> None:
        """Kill the process if this is its moment."""
        self.counts[kind] += 1
        if self.moment == Moment(kind, self.counts[kind] if number is None else number):
            os.kill(os.getpid(), signal.SIGKILL)

    def on_step_end(self, run: Any, result: Any) -> None:
        self.reached("update", run.num_updates)
        if self.moment == Moment("worker", run.num_updates):
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        if self.moment == Moment("wait", run.num_updates):
            (self.folder / f"waiting-{os.getpid()}").touch()
            time.sleep(600)

    def on_run_end(self, run: Any) -> None:
        self.num_updates = run.num_updates


def run_scenario(name: str, folder: Path, moment: Moment, outcome: Path) -> None:
    """Train, or train on, in a process of its own; what came of it is written to ``outcome``."""
    torch.set_num_threads(1)
    seed_everything(5)
    settings = SCENARIOS[name]()
    model = settings["model"]
    watch = Watch(moment, folder)
    model.register_forward_pre_hook(lambda module, _: watch.reached("batch") if module.training else None)
    os.fsync = _watched(os.fsync, watch, "sync")
    os.replace = os.rename = _watched(os.replace, watch, "rename")
    settings["callbacks"] += [CSVLogger(folder / "history.csv"), watch, Checkpointer(folder, every=2)]
    seed_everything(6)
    try:
        history = fit(**settings, resume_from=folder)
    except (OSError, RuntimeError) as error:  # a folder in use, a worker that was killed
        outcome.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return
    values = history.state_dict()
    del values["seconds"]
    optimizers = settings["optimizer"]
    optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
    found = {
        "num_updates": watch.num_updates,
        "weights": _digest(model.state_dict()),
        "optimizers": [_digest(optimizer.state_dict()["state"]) for optimizer in optimizers],
        "history": values,
        "rows": _rows(folder / "history.csv"),
        "next": [random.random(), np.random.rand(), float(torch.rand(()))],  # noqa: NPY002, S311
    }
    outcome.write_text(json.dumps(found))


def _watched(function: Any, watch: Watch, kind: str) -> Any:
    def call(*arguments: Any, **settings: Any) -> Any:
        watch.reached(kind)
        return function(*arguments, **settings)

    return call


def _rows(path: Path) -> list[dict[str, str]]:
    """The table but for the seconds."""
    with path.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)
        ]


def _digest(state: Any) -> str:
    """The SHA-256 of all values, bit for bit."""
    whole = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                whole.update(str(key).encode())
                add(each)
        else:
            whole.update(value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode())

    add(state)
    return whole.hexdigest()
