"""How long does it take to have a checkpoint of a million parameters safely on the disk?

The state is a network's and its AdamW's: three values a parameter. torch.save alone leaves the file in the
system's memory, where a power cut finds it; synced, it is on the disk, but over the old file and without a
checksum. save_checkpoint writes beside the old file, syncs, renames, and adds a SHA-256. What resumes reads
the file back, and load_checkpoint compares the SHA-256 first; the file is in the system's memory then.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.report import environment
from benchmarks.timing import Arm, compare
from practicezoo.training import load_checkpoint, save_checkpoint

SEED = 0
SIZES = (784, 1000, 215)
QUICK_SIZES = (20, 10)
REFERENCE = "torch.save, synced"


def training_state(sizes: tuple[int, ...], device: str) -> tuple[dict[str, Any], int]:
    """Return a network's and its optimizer's state after an update, and the number of parameters."""
    torch.manual_seed(SEED)
    model = nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(sizes))).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, sizes[0], device=device)).sum().backward()
    optimizer.step()
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}, num_parameters


def torch_save(state: dict[str, Any], path: Path, *, synced: bool) -> Callable[[], None]:
    """Return a step that writes the state with torch alone."""

    def save() -> None:
        with path.open("wb") as file:
            torch.save(state, file)
            file.flush()
            if synced:
                os.fsync(file.fileno())

    return save


def our_save(state: dict[str, Any], path: Path) -> Callable[[], None]:
    """Return a step that writes the state with practicezoo."""
    return partial(save_checkpoint, path, state)


def read(load: Callable[..., object], path: Path, device: str, **settings: Any) -> Callable[[], None]:
    """Return a step that reads a state."""

    def step() -> None:
        load(path, map_location=device, **settings)

    return step


def run(*, device: str, quick: bool) -> dict:
    """Write and read a checkpoint in each way; print milliseconds and the ratio."""
    state, num_parameters = training_state(QUICK_SIZES if quick else SIZES, device)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # /tmp may be no disk
        path = Path(folder)
        arms = {
            "torch.save, not synced": partial(torch_save, state, path / "loose.pt", synced=False),
            REFERENCE: partial(torch_save, state, path / "synced.pt", synced=True),
            "save_checkpoint": partial(our_save, state, path / "ours.pt"),
        }
        arm = partial(Arm, work=num_parameters, unit="parameters")
        timed = partial(compare, rounds=30, quick=quick, device=device, seed=SEED)
        writing = timed([arm(name, setup) for name, setup in arms.items()], reference=REFERENCE)
        reading = timed(
            [
                arm("torch.load", partial(read, torch.load, path / "synced.pt", device, weights_only=True)),
                arm("load_checkpoint", partial(read, load_checkpoint, path / "ours.pt", device)),
            ],
            reference="torch.load",
        )
    print(f"{num_parameters:,} parameters and AdamW's state\n{writing.table()}")
    print(f"read again\n{reading.table()}")
    return {
        "environment": environment(device, "fp32", {"weights": SEED}),
        "comparisons": {"checkpoint": writing.to_dict(), "resume": reading.to_dict()},
        "settings": {"num_parameters": num_parameters, "optimizer": "AdamW"},
    }
