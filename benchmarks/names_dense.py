"""Does a GRU over names that stay padded train faster than one over packed names?

A packed batch needs a kernel for each group of names that end at the same step, and no CUDA graph can hold
it. Kept padded, each layer and direction runs over the whole batch, and what follows a name's end comes after
all its steps in both directions, so it changes nothing: that is how updates by CUDA graphs
(`capture=True`, measured on CUDA) compute sequences. The fused way is SequenceEncoder's own on the CPU;
elsewhere it is the packed one. All have the same weights and give the same logits and gradients, which is
checked first. A step is TrainStep's whole update on 256 names; on a CUDA device its kernel launches are
counted.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.testing import assert_close

from benchmarks.counting import num_launches
from benchmarks.datasets import training_names
from benchmarks.report import environment
from benchmarks.tables import QUICK, Table
from benchmarks.timing import Arm, compare
from practicezoo.models import CharGRUClassifier
from practicezoo.runtime.precision import Precision
from practicezoo.sequences import PaddedSequence, keep_padded
from practicezoo.training import TrainStep

SEED = 0
BATCH_SIZE, QUICK_SIZE = 256, 8
REFERENCE, PADDED, CAPTURED = "packed", "kept padded", "captured"


def make_model(name: str, num_classes: int, device: str) -> CharGRUClassifier:
    """Build the same start each time."""
    torch.manual_seed(SEED)
    model = CharGRUClassifier(num_classes=num_classes).to(device)
    model.encoder.fused = name == "fused"
    return model


def computing(name: str) -> AbstractContextManager[None]:
    """Return the context in which a way computes."""
    return keep_padded() if name == PADDED else nullcontext()


def check_equal(names: PaddedSequence, num_classes: int) -> None:
    """Raise AssertionError if they do not all give the same logits and gradients."""
    results = []
    for name in (REFERENCE, PADDED, "fused"):
        model = make_model(name, num_classes, "cpu").double()
        with computing(name):
            logits = model(names)
        results.append((logits, torch.autograd.grad(logits.square().sum(), list(model.parameters()))))
    for other in results[1:]:
        assert_close(other, results[0])


def training_step(
    name: str, batch: tuple[PaddedSequence, Tensor], *, num_classes: int, device: str, precision: Precision
) -> Callable[[], None]:
    """Return a step that updates the model."""
    model = make_model(name, num_classes, device)
    optimizer = Adam(model.parameters(), capturable=device == "cuda")
    is_captured = name == CAPTURED
    update = TrainStep(model, optimizer, nn.CrossEntropyLoss(), precision=precision, capture=is_captured)

    def step() -> None:
        with computing(name):
            update([batch])

    for _ in range(5 * is_captured):  # the first ones are made without a graph
        step()

    return step


def run(*, device: str, quick: bool) -> dict:
    """Train both ways in both precisions; print milliseconds a step, the ratio, and launches on CUDA."""
    dataset, source = training_names()
    inputs, targets = dataset.tensors()
    num_classes, size = len(dataset.classes), QUICK_SIZE if quick else BATCH_SIZE
    rows = torch.randperm(len(targets), generator=torch.Generator().manual_seed(SEED))[:size]
    names = inputs.rows(rows)
    check_equal(names, num_classes)
    batch = names.to(device), targets[rows].to(device)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    ways = [REFERENCE, PADDED, "fused", *[CAPTURED] * (device == "cuda")]
    setups = {
        name if precision == "fp32" else f"{name}, bf16": partial(
            training_step, name, batch, num_classes=num_classes, device=device, precision=precision
        )
        for precision in precisions
        for name in ways
    }
    comparison = compare(
        [Arm(name, setup, work=size, unit="names") for name, setup in setups.items()],
        reference=REFERENCE,
        quick=quick,
        device=device,
        seed=SEED,
    )
    print(f"a training step on {size} names ({source})\n{comparison.table()}")
    tables = [_launches(setups, quick=quick)] if device == "cuda" else []
    print("\n".join(map(str, tables)))
    return {
        "environment": environment(device, "fp32, or as an arm says", {"order": SEED, "weights": SEED}),
        "comparisons": {"a training step": comparison.to_dict()},
        "tables": [table.to_dict() for table in tables],
        "data": {"source": source, "longest": names.data.shape[1]},
        "settings": {"batch_size": size},
    }


def _launches(setups: dict[str, partial], *, quick: bool) -> Table:
    rows = []
    for name, setup in setups.items():
        step = setup()
        step()  # the first one sets up
        rows.append((name, f"{num_launches(step):,}"))
    return Table("kernel launches", "", [("", "a step"), *rows], [QUICK] * quick)
