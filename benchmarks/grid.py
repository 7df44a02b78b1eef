"""A grid: every registered model at several batch sizes, in every way to compute the same thing.

Within a model and a batch size the ways are arms of one comparison: they take turns, beside eager float32
measured twice. A compiled model is compiled once, for any batch size. The device's own speed, measured in
the same run, stands beside the grid.
"""

import fnmatch
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch.optim import Optimizer

from benchmarks.counting import count_work, extra_bytes, held_bytes, num_launches
from benchmarks.detail import split_step
from benchmarks.machine import COPY, device_rates, product
from benchmarks.report import environment
from benchmarks.tables import cells_table, grid_heading
from benchmarks.timing import Arm, compare
from practicezoo import create_model, list_models

__all__ = ["EXAMPLES", "Job", "Step", "example", "measure_model", "measured_models", "run_grid"]

# What a model reads and what it should answer, by its registered name: a new kind of model gets a line.
EXAMPLES: dict[str, Callable[[int], tuple[Tensor, Tensor]]] = {
    "mnist1d_mlp": lambda size: (torch.randn(size, 40), torch.randint(10, (size,))),
    "mnist1d_*": lambda size: (torch.randn(size, 40, 1), torch.randint(10, (size,))),
    "mnist_*": lambda size: (torch.randn(size, 1, 28, 28), torch.randint(10, (size,))),
    "names_*": lambda size: (torch.randint(1, 128, (size, 10)), torch.randint(18, (size,))),
    "hello_*": lambda size: (torch.randint(4, (size, 5)), torch.randint(4, (size, 5))),
    "diabetes_*": lambda size: (torch.rand(size, 8), torch.rand(size, 1)),
    "*_regression": lambda size: (torch.rand(size, 1), torch.rand(size, 1)),
}
# Too large for a grid: benchmarks/families.py measures them beside torchvision's.
LEFT_OUT = ("resnet*", "wide_resnet*", "resnext*", "densenet*", "googlenet", "inception_v3")

BATCH_SIZES = (64, 256, 1024)
QUICK_BATCH_SIZES = (4,)
ROUND_SECONDS = 0.02  # a round repeats steps that are shorter
SEED = 0
WARMUP = 3  # CUDA graphs are recorded in the second call
COMPILE_MODES = {"compiled": "default", "reduce-overhead": "reduce-overhead"}

Step: TypeAlias = Callable[[], object]
Job: TypeAlias = Callable[[nn.Module, Tensor, Tensor, Literal["fp32", "bf16"]], tuple[Step, Optimizer | None]]


@dataclass(frozen=True)
class Variant:
    """A way to compute: "eager" or one of COMPILE_MODES, a precision, a layout of memory."""

    mode: str
    precision: Literal["fp32", "bf16"]
    channels_last: bool

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.mode} {self.precision}{' channels_last' if self.channels_last else ''}"


REFERENCE = Variant("eager", "fp32", channels_last=False)


def run_grid(job: Job, *, device: str, quick: bool, detail: bool = False) -> dict:
    """Measure the device and the registered models, print the tables, and return the payload.

    Args:
        job: Called with a model, inputs, targets and a precision, returns the step to time and the
            optimizer that it keeps, if any.
        device: Where to compute.
        quick: One small batch size, and nothing compiled.
        detail: Split the eager float32 step into its phases as well.
    """
    modes, left_out = _modes(device, quick=quick)
    grid: dict[str, Any] = {"rates": device_rates(device, quick=quick), "left_out": left_out, "cells": []}
    print(grid_heading(grid))
    for name in measured_models():
        cells, notes = measure_model(
            name, job, modes=modes, device=device, quick=quick, detail=detail, rates=grid["rates"]
        )
        for note in notes:
            print(f"left out: {note}")
        print(cells_table(cells), flush=True)
        grid["cells"] += cells
        left_out += notes
    return {
        "environment": environment(device, "fp32 and bf16", {"order": SEED, "weights": SEED, "inputs": SEED}),
        "comparisons": {},
        "grid": grid,
    }


def measure_model(
    name: str,
    job: Job,
    *,
    modes: Sequence[str],
    device: str,
    quick: bool,
    detail: bool = False,
    rates: Mapping[str, float] | None = None,
) -> tuple[list[dict], list[str]]:
    """Compare the ways to compute one model, at each batch size.

    A model that torch cannot compile is measured eager alone.

    Returns:
        The cells, and notes of what was left out. A cell is a comparison at one batch size as
        `Comparison.to_dict` gives it, with the number of rounds in place of each one's seconds, and with the
        model, the batch size, the steps in a round, and, all of one step, each arm's kernel launches, peak
        memory, operations and bytes, and which fractions of the device's rates it reaches; with `detail` also
        the seconds of the phases.
    """
    torch.manual_seed(SEED)
    models = {variant: _build(name, variant, device) for variant in _variants(name, modes)}
    cells: list[dict] = []
    notes: list[str] = []
    # Else the compiler gives up after eight variants of a model, and runs the others as they are.
    with torch._dynamo.config.patch(cache_size_limit=64):  # noqa: SLF001 - its name in every torch
        for batch_size in QUICK_BATCH_SIZES if quick else BATCH_SIZES:
            batch = tuple(tensor.to(device) for tensor in example(name, batch_size))
            measure = partial(_measure_cell, job=job, batch=batch, device=device, quick=quick, detail=detail)
            try:
                cell = measure(models)
            except TorchDynamoException as error:
                models = {variant: model for variant, model in models.items() if variant.mode == "eager"}
                notes.append(f"compiled {name} at batch size {batch_size} and above: {type(error).__name__}")
                cell = measure(models)
            _add_work(cell, name, job, rates or {})
            cells.append({"model": name, "batch_size": batch_size} | cell)
    torch.compiler.reset()
    return cells, notes


def measured_models() -> list[str]:
    """Return the names of the registered models that the grid has a place for."""
    return [name for name in list_models() if not any(fnmatch.fnmatch(name, each) for each in LEFT_OUT)]


def example(name: str, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return random inputs and targets for a registered model.

    Raises:
        ValueError: If EXAMPLES has no line for it.
    """
    for pattern, make in EXAMPLES.items():
        if fnmatch.fnmatch(name, pattern):
            return make(batch_size)
    raise ValueError(f"EXAMPLES in benchmarks/grid.py must have a line for every model, got none for {name}")


def _modes(device: str, *, quick: bool) -> tuple[list[str], list[str]]:
    """Return the modes to measure, and what is left out and why."""
    if quick:
        return ["eager"], ["compiled models, in a quick run"]
    if device != "cuda":
        return ["eager", "compiled"], ["reduce-overhead, which means CUDA graphs: this is no CUDA device"]
    return ["eager", *COMPILE_MODES], ["peak memory of reduce-overhead: CUDA graphs keep a pool of their own"]


def _variants(name: str, modes: Sequence[str]) -> list[Variant]:
    reads_images = example(name, 1)[0].ndim == 4
    convolves = reads_images and any(isinstance(part, nn.Conv2d) for part in create_model(name).modules())
    return [
        Variant(mode, precision, channels_last)
        for mode in modes
        for precision in ("fp32", "bf16")
        for channels_last in ((False, True) if convolves else (False,))
    ]


def _build(name: str, variant: Variant, device: str) -> nn.Module:
    memory_format = torch.channels_last if variant.channels_last else torch.contiguous_format
    model = create_model(name).to(device).to(memory_format=memory_format)
    if variant.mode == "eager":
        return model
    compiled: Any = torch.compile(model, mode=COMPILE_MODES[variant.mode], dynamic=True)
    return compiled  # a module, which torch types as a function


def _measure_cell(
    models: dict[Variant, nn.Module],
    *,
    job: Job,
    batch: tuple[Tensor, ...],
    device: str,
    quick: bool,
    detail: bool,
) -> dict:
    inputs, targets = batch
    trial, _ = job(models[REFERENCE], inputs, targets, "fp32")
    num_steps = 1 if quick else _steps_in_a_round(trial, device)
    jobs: dict[str, tuple[Step, Optimizer | None]] = {}

    def setup(variant: Variant) -> Callable[[], None]:
        laid_out = inputs.to(memory_format=torch.channels_last) if variant.channels_last else inputs
        step, optimizer = job(models[variant], laid_out, targets, variant.precision)
        if variant.mode == "reduce-overhead":
            step = _after_mark(step)
        jobs[variant.name] = step, optimizer
        return partial(_repeat, step, num_steps)

    work = len(inputs) * num_steps
    cell = compare(
        [Arm(variant.name, partial(setup, variant), work, "samples") for variant in models],
        reference=REFERENCE.name,
        warmup=WARMUP,
        quick=quick,
        device=device,
        seed=SEED,
    ).to_dict()
    arms = {arm["name"]: arm for arm in cell["measurements"]}
    for arm in arms.values():
        cell["num_rounds"] = len(arm.pop("rounds"))
        arm |= {"launches": None, "peak_bytes": None}
    for variant, model in models.items():
        step, optimizer = jobs[variant.name]
        if device == "cuda":
            arms[variant.name]["launches"] = num_launches(step)
        if variant.mode != "reduce-overhead":
            held = held_bytes(model, optimizer, inputs, targets)
            arms[variant.name]["peak_bytes"] = held + extra_bytes(step, device)
    if detail:
        step, optimizer = jobs[REFERENCE.name]
        cell["detail"] = split_step(step, models[REFERENCE], optimizer, inputs, targets, quick=quick)
    return cell | {"steps": num_steps}


def _add_work(cell: dict, name: str, job: Job, rates: Mapping[str, float]) -> None:
    """Count what a step of each precision computes, and relate it to the rates.

    An eager model on the CPU does the counting: its operations are those of the arithmetic, on any device.
    """
    precisions: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")
    batch_size = int(cell["measurements"][0]["work"] / cell["steps"])
    work = {}
    for precision in precisions:
        step, _ = job(create_model(name), *example(name, batch_size), precision)
        step()  # the first one sets up the optimizer
        work[precision] = count_work(step)
    for arm in cell["measurements"]:
        precision = "bf16" if " bf16" in arm["name"] else "fp32"
        arm.update(work[precision])
        seconds = arm["median"] / cell["steps"]
        for fraction, counted, rate in (
            ("of_product_rate", "operations", product(precision)),
            ("of_copy_rate", "bytes", COPY),
        ):
            arm[fraction] = arm[counted] / seconds / rates[rate] if rates else None


def _steps_in_a_round(step: Step, device: str) -> int:
    """Return how often a step is to be repeated for a round that the clock can tell from noise."""
    step()  # the first one sets up
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return max(1, math.ceil(ROUND_SECONDS / (time.perf_counter() - start)))


def _repeat(step: Step, num_steps: int) -> None:
    for _ in range(num_steps):
        step()


def _after_mark(step: Step) -> Step:
    """Allow each step to write over what the last one left in the graphs' memory."""

    def marked() -> None:
        torch.compiler.cudagraph_mark_step_begin()
        step()

    return marked
