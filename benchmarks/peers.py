"""How long does a small training run take with `fit`, by hand, and with other frameworks?

A network of 784-32-10, Adam, batches of 64 and data in memory: what differs is the loop. Each is measured
out of the box, on a terminal that takes what it draws, and in its best setting, which draws and logs
nothing and reads whole batches. A round is a whole run, from building the network to the trained one, long
enough that building weighs little. Every loop must make the same number of updates, and its loss must fall.
Each runs in a process of its own, for frameworks change what others see; each process first lets the C
library keep freed memory, as TrainStep does, so that this favours none.
"""

import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import torch
from torch.nn import functional as F

from benchmarks.loop_overhead import Terminal
from benchmarks.peer_loops import PACKAGES, PEER_LOOPS
from benchmarks.peer_training import (
    OVER_DATA_LOADER,
    OVER_TENSOR_LOADER,
    SEED,
    Loop,
    Trained,
    Training,
    make_model,
)
from benchmarks.processes import in_own_process
from benchmarks.report import environment
from benchmarks.timing import Arm, Comparison, compare
from practicezoo.runtime.device import raise_mmap_threshold

NUM_IMAGES = 30_000
QUICK_SIZE = 200
EPOCHS = 2


def make_training(*, device: str, quick: bool) -> Training:
    """Draw random pixels, and targets that a network can learn: the largest of ten random sums of them."""
    generator = torch.Generator().manual_seed(SEED)
    inputs = torch.rand(QUICK_SIZE if quick else NUM_IMAGES, 784, generator=generator)
    targets = ((inputs - 0.5) @ torch.randn(784, 10, generator=generator)).argmax(dim=1)
    return Training(inputs.to(device), targets.to(device), epochs=1 if quick else EPOCHS, device=device)


def checked_run(name: str, loop: Loop, training: Training) -> Callable[[], None]:
    """Return a step that trains with the loop; the first one also looks at the loss.

    The step raises RuntimeError if the loop did not do the work.
    """
    raise_mmap_threshold()
    is_first = True

    def run() -> None:
        nonlocal is_first
        # what a framework says would stand between the tables
        with (
            redirect_stdout(Terminal()),
            redirect_stderr(Terminal()),
            warnings.catch_warnings(action="ignore"),
        ):
            trained = loop(training)
        check_updates(name, training, trained)
        if is_first:
            check_learned(name, training, trained)
        is_first = False

    return run


def check_updates(name: str, training: Training, trained: Trained) -> None:
    """Raise RuntimeError unless the optimizer counted as many updates as every loop makes."""
    if trained.num_updates != training.num_updates:
        raise RuntimeError(f"{name} must make {training.num_updates} updates, got {trained.num_updates}")


def check_learned(name: str, training: Training, trained: Trained) -> None:
    """Raise RuntimeError unless the loss is lower than at the start."""
    with torch.no_grad():
        before, after = (
            F.cross_entropy(model(training.inputs), training.targets).item()
            for model in (make_model().to(training.device), trained.model)
        )
    if not after < before:
        raise RuntimeError(f"{name} must lower the loss, got {before:.4f} -> {after:.4f}")


def run(*, device: str, quick: bool) -> dict:
    """Train with every loop whose package is there; print seconds, updates per second and ratios."""
    frameworks, left_out = installed()
    for note in left_out:
        print(note)
    own = OVER_TENSOR_LOADER | OVER_DATA_LOADER
    beside = {name: own[name] for name in ("by hand, DataLoader", "fit, DataLoader", "fit, TensorLoader")}
    beside |= {name: loop for framework in frameworks for name, loop in PEER_LOOPS[framework].items()}
    comparisons = {}
    for title, loops, reference in (
        ("over TensorLoader", OVER_TENSOR_LOADER, "by hand, TensorLoader"),
        ("over DataLoader", OVER_DATA_LOADER, "by hand, DataLoader"),
        ("beside other frameworks", beside, "fit, TensorLoader"),
    ):
        comparison = compare_loops(loops, reference, device=device, quick=quick)
        print(f"{title}\n{comparison.table()}")
        comparisons[title] = comparison.to_dict()
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED, "data": SEED}),
        "comparisons": comparisons,
        "left_out": left_out,
        "peers": {PACKAGES[name][1]: version(PACKAGES[name][1]) for name in frameworks},
    }


def compare_loops(loops: Mapping[str, Loop], reference: str, *, device: str, quick: bool) -> Comparison:
    """Time whole training runs, each loop in a process of its own, unless it is quick."""
    prepared = {
        name: partial(prepare, name, loop, device=device, quick=quick) for name, loop in loops.items()
    }
    num_updates = make_training(device="cpu", quick=quick).num_updates
    arm = partial(Arm, work=num_updates, unit="updates", self_timed=not quick)
    return compare(
        [arm(name, setup if quick else partial(in_own_process, setup)) for name, setup in prepared.items()],
        reference=reference,
        quick=quick,
        device=device,
        seed=SEED,
    )


def prepare(name: str, loop: Loop, *, device: str, quick: bool) -> Callable[[], None]:
    """Make the data and the step, in the process that trains."""
    return checked_run(name, loop, make_training(device=device, quick=quick))


def installed() -> tuple[list[str], list[str]]:
    """Return the frameworks whose loops can run, and a line for each other one."""
    missing = {name: package for name, (module, package) in PACKAGES.items() if find_spec(module) is None}
    notes = [f"left out: {name}: {package} is not installed" for name, package in missing.items()]
    return [name for name in PACKAGES if name not in missing], notes
