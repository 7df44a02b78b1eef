"""Devices, and what the machine is."""

import difflib
import platform
import re
from pathlib import Path

import torch
from torch import nn

__all__ = ["device_of", "pick_device", "processor_name", "raise_mmap_threshold"]

FORMS = ("auto", "cpu", "cuda", "mps")
LARGEST_BLOCK = 32 * 2**20 - 2**16  # bytes that glibc adapts to, less its own header
NAME = re.compile(r"auto|cpu|mps|cuda(:(0|[1-9][0-9]*))?")


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name, checked here rather than at the first use.

    Args:
        name: "auto" (CUDA, else MPS, else the CPU), "cpu", "cuda", "cuda:1" or "mps". A misspelt name
            is an error on every machine, not only on those that have the device.

    Raises:
        ValueError: if ``name`` is none of these, or this machine lacks the device.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
        >>> pick_device("cude:0")
        Traceback (most recent call last):
        ValueError: device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got 'cude:0'; meant 'cuda:0'?
    """
    kind, colon, index = str(name).partition(":")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        hint = ""
        word = "cuda" if kind.lower() == "gpu" else kind.lower()
        for near in difflib.get_close_matches(word, FORMS, n=1):
            meant = near + colon + index
            hint = f"; meant {meant if NAME.fullmatch(meant) else near!r}?"
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got {name!r}{hint}")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    # the index as written: torch.device("cuda:999") is device -25
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("device 'mps' is not there: this machine has no Metal device")
    return torch.device(name)


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's parameters (the CPU if it has none)."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def raise_mmap_threshold() -> None:
    """Let the C library keep the CPU memory that one training step frees for the next step.

    As it starts, glibc hands large blocks back to the system when they are freed, and a step's activations
    come from fresh pages, zeroed one by one: a sixth to a third of the time of small networks. It adapts to
    the largest block that it has seen freed, up to 32 MiB, and then keeps twice that much (``man mallopt``,
    M_MMAP_THRESHOLD). This shows it such a block. Nothing touches the block, so it costs no memory, and other
    C libraries do not care.
    """
    torch.empty(LARGEST_BLOCK, dtype=torch.uint8)


def processor_name() -> str:
    """The processor's model, as far as the machine tells; Linux does only in /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
