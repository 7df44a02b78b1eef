"""How do time and memory of training grow with the data, the image, the hidden state and the epochs?

Each series trains for an epoch at growing sizes, which take turns. Its exponent is the slope of the straight
line through the logarithms: 1 where time grows as the size does, 2 where it grows as its square; less where
part of the time does not grow; -1 where twice the processes, of one thread each, need half the time.
`python -m benchmarks report` draws the saved series.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from benchmarks.datasets import training_names
from benchmarks.machine import resident_bytes
from benchmarks.processes import in_processes
from benchmarks.report import environment
from benchmarks.tables import QUICK, Table, format_seconds
from practicezoo import fit
from practicezoo.data import TensorLoader
from practicezoo.models import CharGRUClassifier, mnist_fast
from practicezoo.runtime.processes import rank, world_size
from practicezoo.training import Callback, Run

SEED = 0
REPEATS = 5
BATCH_SIZE = 128
NUM_NAMES, NUM_IMAGES = 1024, 1024
QUICK_ITEMS = 16
EPOCHS = 1000  # of the series that watches memory

Step = Callable[[], object]


def names_step(*, device: str, num_names: int, times: int = 1, hidden_size: int = 100) -> Step:
    """Return a step that trains the course's network for names on a multiple of the names."""
    dataset, _ = training_names()
    inputs, targets = dataset.tensors()
    rows = torch.arange(num_names).repeat(times)
    model = CharGRUClassifier(num_classes=len(dataset.classes), hidden_size=hidden_size)
    return _epoch(model, TensorLoader(inputs.rows(rows), targets[rows], batch_size=BATCH_SIZE, device=device))


def images_step(*, device: str, num_images: int, image_size: int = 28) -> Step:
    """Return a step that trains the library's fast network on random images, or on this process's part."""
    images = torch.randn(num_images, 1, image_size, image_size)
    targets = torch.randint(10, (num_images,))
    model = mnist_fast(image_size=image_size)
    ranks = world_size()
    size = BATCH_SIZE // ranks
    loader = TensorLoader(images, targets, batch_size=size, device=device, num_replicas=ranks, rank=rank())
    return _epoch(model, loader)


def _epoch(model: nn.Module, loader: TensorLoader) -> Step:
    model = model.to(loader.tensors[-1].device)
    optimizer = Adam(model.parameters(), lr=1e-3)
    train = partial(fit, model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1)
    return partial(train, progress=False)


def series(*, device: str, quick: bool) -> dict[str, dict[int, Callable[[], Step]]]:
    """What sets up a step, by the name of the series and the size."""
    names = partial(names_step, device=device, num_names=QUICK_ITEMS if quick else NUM_NAMES)
    images = partial(images_step, device=device, num_images=QUICK_ITEMS if quick else NUM_IMAGES)
    together = partial(images_step, device=device, num_images=QUICK_ITEMS if quick else 16 * NUM_IMAGES)
    found: dict[str, dict[int, Callable[[], Step]]] = {
        "times the names": {times: partial(names, times=times) for times in (1, 4, 16)},
        "pixels of an image's side": {size: partial(images, image_size=size) for size in (28, 56, 112)},
        "hidden size": {size: partial(names, hidden_size=size) for size in (50, 100, 200, 400)},
    }
    if device == "cpu" or torch.cuda.device_count() > 1:
        found["processes"] = {
            number: partial(in_processes, number, together, device=device) for number in (1, 2)
        }
    return found


def time_in_turns(setups: Mapping[int, Callable[[], Step]], *, device: str, repeats: int) -> dict[int, float]:
    """Median seconds of each size; the first step of each is a warm-up."""
    torch.manual_seed(SEED)
    steps = {size: setup() for size, setup in setups.items()}
    found: dict[int, list[float]] = {size: [] for size in steps}
    order = random.Random(SEED)
    for step in steps.values():
        step()
    for _ in range(repeats):
        for size in order.sample(list(steps), k=len(steps)):
            start = time.perf_counter()
            steps[size]()
            if device == "cuda":
                torch.cuda.synchronize()
            found[size].append(time.perf_counter() - start)
    return {size: median(seconds) for size, seconds in found.items()}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms.

    Example:
        >>> round(exponent([1, 2, 4], [3.0, 12.0, 48.0]), 6)
        2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


class MemoryWatch(Callback):
    """Notes the process's memory at the ends of some epochs."""

    def __init__(self, epochs: Sequence[int]) -> None:
        self.found = dict.fromkeys(epochs, 0)

    def on_epoch_end(self, run: Run) -> None:
        """Read it, if it is to be read at this epoch."""
        if run.epoch in self.found:
            self.found[run.epoch] = resident_bytes()


def memory_over_epochs(*, device: str, epochs: int) -> dict[int, float]:
    """Bytes of the process in RAM after the tenth part of a long training, after each further one."""
    watch = MemoryWatch(range(epochs // 10, epochs + 1, epochs // 10))
    model = nn.Linear(8, 3).to(device)
    loader = TensorLoader(torch.randn(64, 8), torch.randint(3, (64,)), batch_size=16, device=device)
    optimizer = Adam(model.parameters())
    fit(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=epochs,
        callbacks=[watch],
        progress=False,
    )
    return {epoch: float(found) for epoch, found in watch.found.items()}


def run(*, device: str, quick: bool) -> dict:
    """Measure every series; print its times and its exponent."""
    growth: dict[str, dict[str, Any]] = {}
    for name, setups in series(device=device, quick=quick).items():
        seconds = time_in_turns(setups, device=device, repeats=1 if quick else REPEATS)
        growth[name] = {"unit": "seconds", "sizes": list(seconds), "values": list(seconds.values())}
    memory = memory_over_epochs(device=device, epochs=20 if quick else EPOCHS)
    growth["epochs"] = {"unit": "bytes", "sizes": list(memory), "values": list(memory.values())}
    for found in growth.values():
        found["exponent"] = exponent(found["sizes"], found["values"])
    tables = [_table(name, found, quick=quick) for name, found in growth.items()]
    print("\n".join(map(str, tables)))
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED}),
        "comparisons": {},
        "tables": [table.to_dict() for table in tables],
        "growth": growth,
    }


def _table(name: str, found: Mapping, *, quick: bool) -> Table:
    is_time = found["unit"] == "seconds"
    rows = [
        (f"{size:,}", format_seconds(value) if is_time else f"{value / 2**20:,.1f} MiB")
        for size, value in zip(found["sizes"], found["values"], strict=True)
    ]
    heading = f"{'an epoch' if is_time else 'memory of the process'}, exponent {found['exponent']:.2f}"
    return Table(name, heading, [(name, found["unit"]), *rows], [QUICK] * quick)
