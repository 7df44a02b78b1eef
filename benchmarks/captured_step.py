"""How much faster is an update by a CUDA graph, and does it end at the same weights bit for bit?

A step is TrainStep's whole update of a registered model at batch 64: as it is made by default with Adam, with
Adam in one kernel that a graph can hold, and with `capture=True` on top of that. A round repeats steps. The
last two start at the same weights and must end at the same ones, if two trainings without graphs do: some
kernels add up in any order. Where there are no graphs, or not for a model, only the first two are measured,
and that is said.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks.counting import num_launches
from benchmarks.grid import example, measured_models
from benchmarks.report import environment
from benchmarks.tables import QUICK, Table
from benchmarks.timing import Arm, compare
from practicezoo import TrainStep, create_model

SEED = 0
BATCH_SIZE, QUICK_SIZE = 64, 4
NUM_STEPS = 50  # in a round
DEFAULT, FUSED, CAPTURED = "default Adam", "Adam in one kernel", "captured"
QUICK_MODELS = ("mnist_mlp", "hello_rnn_cell")


def make_step(way: str, name: str, batch: tuple[Tensor, Tensor]) -> tuple[Callable[[], object], nn.Module]:
    """Return an update of a model that starts at the same weights each time, and the model."""
    torch.manual_seed(SEED)
    inputs, targets = batch
    model = create_model(name).to(inputs.device)
    is_cuda = inputs.device.type == "cuda"
    settings: dict[str, Any] = {} if way == DEFAULT else {"fused": True, "capturable": is_cuda}
    criterion = nn.MSELoss() if targets.is_floating_point() else nn.CrossEntropyLoss()
    optimizer = Adam(model.parameters(), lr=1e-3, **settings)
    update = TrainStep(model, optimizer, criterion, capture=way == CAPTURED)
    return partial(update, [batch]), model


def repeated(way: str, name: str, batch: tuple[Tensor, Tensor], *, num_steps: int) -> Callable[[], None]:
    """Return a round, after the updates from which a graph is recorded."""
    step, _ = make_step(way, name, batch)
    for _ in range(5):
        step()

    def run() -> None:
        for _ in range(num_steps):
            step()

    return run


def why_not_captured(name: str, batch: tuple[Tensor, Tensor]) -> str | None:
    """Return the warning that ends a model's graphs, or that there can be none; None if they stay."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step, _ = make_step(CAPTURED, name, batch)
        for _ in range(5):
            step()
    return next((str(each.message) for each in caught if "capture=True" in str(each.message)), None)


def end_at_same_weights(name: str, batch: tuple[Tensor, Tensor], *ways: str) -> bool:
    """Return whether ten updates in two ways end at the same weights, bit for bit."""
    weights = []
    for way in ways:
        step, model = make_step(way, name, batch)
        torch.manual_seed(SEED)
        for _ in range(10):
            step()
        weights.append(model.state_dict())
    return all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def launches(way: str, name: str, batch: tuple[Tensor, Tensor]) -> int:
    """Return the kernels of an update after the first, which sets up the optimizer."""
    step, _ = make_step(way, name, batch)
    step()
    return num_launches(step)


def run(*, device: str, quick: bool) -> dict:
    """Measure each model in each way; print milliseconds a step, ratios, launches and what is not equal."""
    size, num_steps = (QUICK_SIZE, 1) if quick else (BATCH_SIZE, NUM_STEPS)
    comparisons, rows, differing, left_out = {}, [], [], []
    for name in QUICK_MODELS if quick else measured_models():
        inputs, targets = example(name, size)
        batch = inputs.to(device), targets.to(device)
        ways = [DEFAULT, FUSED, CAPTURED]
        if reason := why_not_captured(name, batch):
            ways.remove(CAPTURED)
            left_out.append(f"{CAPTURED} {name}: {reason}")
            print(f"left out: {left_out[-1]}")
        else:
            same = partial(end_at_same_weights, name, batch, FUSED)
            differing += [name] if same(FUSED) and not same(CAPTURED) else []
        title = f"{name}, batch {size}"
        setup = partial(repeated, name=name, batch=batch, num_steps=num_steps)
        comparison = compare(
            [Arm(way, partial(setup, way), num_steps, "steps") for way in ways],
            reference=FUSED,
            quick=quick,
            device=device,
            seed=SEED,
        )
        print(f"{title}\n{comparison.table()}", flush=True)
        comparisons[title] = comparison.to_dict()
        if device == "cuda":
            rows.append((name, *(str(launches(way, name, batch)) for way in (DEFAULT, FUSED))))
    if device == "cuda":
        print(f"other weights with graphs than without: {', '.join(differing) or 'none'}")
    head = ("", DEFAULT, FUSED)
    table = Table("kernel launches of a step without a graph", device, [head, *rows], [QUICK] * quick)
    return {
        "environment": environment(device, "fp32", {"order": SEED, "weights": SEED}),
        "comparisons": comparisons,
        "tables": [table.to_dict()] if rows else [],
        "left_out": left_out,
        "settings": {"batch_size": size, "steps_in_a_round": num_steps, "differing": differing},
    }
