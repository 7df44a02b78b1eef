"""The machine while it measures: how fast it copies and multiplies, how busy it is, its GPU's clocks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

__all__ = [
    "COPY",
    "CROWDED_BELOW",
    "PRODUCT",
    "crowding",
    "device_rates",
    "gpu_state",
    "machine_of",
    "product",
    "resident_bytes",
    "snapshot",
]

COPY = "copied bytes"
PRODUCT = "{} operations in a product"  # of a precision
CROWDED_BELOW = 0.7  # of the best rate known for the processor

GPU_FIELDS = {
    "driver": "driver_version",
    "clock_mhz": "clocks.sm",
    "memory_clock_mhz": "clocks.mem",
    "power_watts": "power.draw",
    "temperature_celsius": "temperature.gpu",
    "throttle_reasons": "clocks_throttle_reasons.active",
}
# the bits of NVML's clocks throttle reasons
THROTTLE_REASONS = {
    0x1: "idle",
    0x2: "clocks set by the user",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat, by software",
    0x40: "heat, by hardware",
    0x80: "power brake",
    0x100: "display",
}


def product(precision: str) -> str:
    """Name the rate of products in a precision."""
    return PRODUCT.format(precision)


def snapshot(device: str, *, quick: bool) -> dict:
    """Measure the machine now; takes a few seconds, unless it is quick.

    Returns:
        The load average (of one, five and fifteen minutes), the rates, and on CUDA the state of the card.
    """
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None  # before we load it ourselves
    return {"load_average": load, "rates": device_rates(device, quick=quick), "gpu": gpu_state(device)}


def device_rates(device: str, *, quick: bool) -> dict[str, float]:
    """Measure how many bytes a second the device copies, read and written, and how fast it multiplies."""
    num_values, size = (2**16, 64) if quick else (2**26, 4096 if device == "cuda" else 1024)
    source = torch.rand(num_values, device=device)
    copying = _seconds("target.copy_(source)", quick, source=source, target=torch.empty_like(source))
    rates = {COPY: 2 * source.nbytes / copying}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.randn(size, size, device=device, dtype=dtype)
        multiplying = _seconds("torch.mm(a, a, out=b)", quick, a=matrix, b=torch.empty_like(matrix))
        rates[product(precision)] = 2 * size**3 / multiplying
    return rates


def resident_bytes() -> int:
    """Bytes of this process in RAM, as Linux tells them; elsewhere the most that there were so far."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # there is none on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def gpu_state(device: str) -> dict | None:
    """Ask nvidia-smi for the card's driver, clocks, power, temperature and reasons to throttle.

    Returns:
        None where there is no CUDA device or no nvidia-smi; a field that the card does not tell is None.
    """
    if torch.device(device).type != "cuda" or shutil.which("nvidia-smi") is None:
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)  # CUDA_VISIBLE_DEVICES renumbers
    command = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS.values())}", "--format=csv,noheader,nounits"]
    done = subprocess.run(  # noqa: S603 - the driver's own tool
        [*command, *([] if uuid is None else [f"--id=GPU-{uuid}"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    values = [value.strip() for value in done.stdout.partition("\n")[0].split(",")]
    if done.returncode != 0 or len(values) != len(GPU_FIELDS):
        return None
    return dict(zip(GPU_FIELDS, map(_gpu_value, GPU_FIELDS, values), strict=True))


def crowding(environment: Mapping, results: Iterable[Mapping]) -> dict:
    """Relate a run's products to the best that any result knows for the same processor and threads.

    Args:
        environment: Of the run, with its snapshots under "machine".
        results: Other payloads, such as the saved ones.

    Returns:
        "of_best_rate", the lowest rate of float32 products in the run as a fraction of the best known one,
        and whether the run was "crowded".
    """
    own = _product_rates({"environment": environment})
    same = [found for found in results if machine_of(found["environment"]) == machine_of(environment)]
    best = max([*own, *(rate for found in same for rate in _product_rates(found))])
    fraction = min(own) / best
    return {"of_best_rate": fraction, "crowded": fraction < CROWDED_BELOW}


def machine_of(environment: Mapping) -> tuple:
    """What rates can be compared by: the card, or the processor and its threads."""
    if environment["device"] != "cpu":
        return (environment["device"],)
    return environment["processor"], environment["num_threads"]


def _product_rates(payload: Mapping) -> list[float]:
    measured = [moment["rates"] for moment in payload["environment"].get("machine", {}).values()]
    measured += [payload["grid"]["rates"]] if "grid" in payload else []
    return [rates[product("fp32")] for rates in measured]


def _gpu_value(name: str, text: str) -> str | float | list[str] | None:
    if text.startswith(("[", "N/A")):  # [N/A], [Not Supported]
        return None
    if name == "throttle_reasons":
        bits = int(text, 16)
        return [reason for bit, reason in THROTTLE_REASONS.items() if bits & bit]
    return text if name == "driver" else float(text)


def _seconds(statement: str, quick: bool, **variables: Tensor) -> float:
    # it waits for the device by itself
    timer = Timer(statement, globals={"torch": torch} | variables, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=0.01 if quick else 1).median
