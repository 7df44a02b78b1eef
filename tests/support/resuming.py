"""A small training program that is interrupted anywhere and resumed, and its results to the bit."""

import hashlib
import math
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import EarlyStopping, LengthBucketBatchSampler, TensorLoader
from practicezoo.training import Accuracy, Callback, Checkpointer, fit, seed_everything
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


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
