"""The energy that a step takes on a CUDA card, as the card counts it.

The count is that of the whole card and lags by up to a tenth of a second, so a step is repeated for seconds.
Cards before Volta do not count; `pip install nvidia-ml-py` brings what asks the others.
"""

import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.tables import QUICK, Table

__all__ = ["energy_counter", "energy_tables", "joules_of"]

SECONDS, QUICK_SECONDS = 5.0, 0.05

Step = Callable[[], object]


def energy_counter(device: str) -> Callable[[], float] | None:
    """Return what reads the card's joules so far; None where nobody tells."""
    if torch.device(device).type != "cuda":
        return None
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid  # CUDA_VISIBLE_DEVICES renumbers
        card = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(card)
    except pynvml.NVMLError:
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000


def joules_of(
    step: Step,
    counter: Callable[[], float],
    *,
    seconds: float = SECONDS,
    wait: Callable[[], object] = torch.cuda.synchronize,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the joules of a step, repeated for so many seconds; what the idle card takes is part of them."""
    step()
    wait()
    start, before, count = clock(), counter(), 0
    while count == 0 or clock() - start < seconds:
        step()
        wait()
        count += 1
    return (counter() - before) / count


def energy_tables(
    setups: Mapping[str, Callable[[], Step]], what: str, device: str, *, quick: bool
) -> list[Table]:
    """Set up each way, and return a table of the joules of its steps; no table where the card tells none."""
    counter = energy_counter(device)
    if counter is None:
        return []
    seconds = QUICK_SECONDS if quick else SECONDS
    rows = [(name, f"{joules_of(setup(), counter, seconds=seconds):.3g} J") for name, setup in setups.items()]
    return [Table(f"energy of {what}", device, [("", "a step"), *rows], [QUICK] * quick)]
