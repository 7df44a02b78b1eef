"""Where the time of a step goes: data, forward, backward, optimizer, and the rest."""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.data import TensorLoader

__all__ = ["PHASES", "split_step"]

PHASES = ("data", "forward", "backward", "optimizer", "rest")
NUM_STEPS = 20
BATCHES = 8  # of an epoch of the data path


def split_step(
    step: Callable[[], object], model: nn.Module, optimizer: Optimizer | None, *batch: Tensor, quick: bool
) -> dict[str, float]:
    """Measure the phases of a step; on CUDA the clock waits for the device between them.

    "data" is what a shuffled TensorLoader takes for such a batch, and is no part of the step. "backward" has
    the loss in it; without an optimizer there is "forward" alone. "rest" is all else that the step does.

    Args:
        step: Calls the model once, and the optimizer's `step` once if there is one.
        model: Eager or compiled.
        optimizer: What updates it, if anything does.
        batch: Inputs and targets.
        quick: Few steps only.

    Returns:
        Median seconds by phase.
    """
    stamps: list[float] = []

    def stamp(*_: Any) -> None:
        if batch[0].is_cuda:
            torch.cuda.synchronize()
        stamps.append(time.perf_counter())

    handles = [model.register_forward_pre_hook(stamp), model.register_forward_hook(stamp)]
    if optimizer is not None:
        handles += [optimizer.register_step_pre_hook(stamp), optimizer.register_step_post_hook(stamp)]
    steps = []
    try:
        for _ in range(3 if quick else NUM_STEPS):
            stamps.clear()
            stamp()
            step()
            stamp()
            begun, *moments, ended = stamps
            phases = [end - start for start, end in pairwise(moments)]
            steps.append([*phases, ended - begun - sum(phases)])
    finally:
        for handle in handles:
            handle.remove()
    names = PHASES[1:] if optimizer is not None else ("forward", "rest")
    medians = [statistics.median(seconds) for seconds in zip(*steps, strict=True)]
    return {"data": _data_seconds(*batch, quick=quick)} | dict(zip(names, medians, strict=True))


def _data_seconds(*batch: Tensor, quick: bool) -> float:
    """Return what a batch of a shuffled epoch takes, the median of several epochs."""
    data = [torch.cat([part] * BATCHES) for part in batch]
    loader = TensorLoader(*data, batch_size=len(batch[0]), shuffle=True)
    epochs = []
    for _ in range(3 if quick else NUM_STEPS):
        start = time.perf_counter()
        for _ in loader:
            pass
        if batch[0].is_cuda:
            torch.cuda.synchronize()
        epochs.append((time.perf_counter() - start) / BATCHES)
    return statistics.median(epochs)
