"""What do `import practicezoo` and loading a network cost over `import torch`, in fresh interpreters?

Beside them stand torchvision and, where they are installed, other libraries that train. Memory is the most
that the interpreter had in RAM up to then, as the system tells it.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.report import environment
from benchmarks.tables import QUICK, Table
from benchmarks.timing import Arm, compare

SEED = 0
SOURCE = Path(__file__).parents[1] / "src"

TORCH = "import torch"
STATEMENTS = {
    TORCH: "",
    "import torch, practicezoo": "import practicezoo",
    "import torch, practicezoo; practicezoo.fit": "import practicezoo; practicezoo.fit",
    "import torch, practicezoo; load mnist_resnet": "import practicezoo; practicezoo.load('mnist_resnet')",
}
MODULES = ("torchvision", "timm", "fastai.vision.all", "lightning")  # as their first pages import them
PEERS = {f"import torch, {name}": f"import {name}" for name in MODULES}

# The child reads the clock itself, so that starting the interpreter does not count. It reads it
# between the two imports too: the second's own seconds are far steadier than a difference of totals.
CHILD = """
from time import perf_counter
start = perf_counter()
import torch
torch_done = perf_counter()
{statement}
done = perf_counter()
try:
    with open("/proc/self/status") as status:
        peak = next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), 0)
except OSError:
    try:
        from resource import RUSAGE_SELF, getrusage
        peak = getrusage(RUSAGE_SELF).ru_maxrss  # on Linux it would be the starting process's, if larger
    except ImportError:  # not on Windows
        peak = 0
print(done - start, done - torch_done, peak)
"""


class Import:
    """A step that imports in a fresh interpreter and returns the seconds that the imports took.

    Args:
        statement: What to run after `import torch`.
        added: Receives, for each step, the seconds that the statement took.
        peaks: Receives, for each step, the most bytes that the interpreter had in RAM; 0 where that is not
            told.
    """

    def __init__(self, statement: str, added: list[float], peaks: list[int]) -> None:
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        self.environment = os.environ | {"PYTHONPATH": path}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library is compiled already
        self.command = [sys.executable, "-c", CHILD.format(statement=statement)]
        self.added = added
        self.peaks = peaks

    def __call__(self) -> float:
        """Start the interpreter and return the seconds of all its imports."""
        child = subprocess.run(  # noqa: S603 - this interpreter, with the code above
            self.command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        total, added, peak = map(float, child.stdout.split()[-3:])  # an import may print as well
        self.added.append(added)
        self.peaks.append(int(peak))
        return total


def run(*, device: str, quick: bool) -> dict:
    """Import in turns; print the totals, and the milliseconds that practicezoo adds."""
    statements = _quick_statements() if quick else STATEMENTS | _installed_peers()
    added: dict[str, list[float]] = {name: [] for name in statements}
    peaks: dict[str, list[int]] = {name: [] for name in statements}
    comparison = compare(
        [_arm(name, statement, added[name], peaks[name]) for name, statement in statements.items()],
        reference=TORCH,
        rounds=1 if quick else 15,
        warmup=0 if quick else 2,
        quick=quick,
        seed=SEED,
    )
    print(comparison.table())

    counted = len(comparison[TORCH].rounds)
    del added[TORCH]  # nothing was added to it
    added_milliseconds = {name: _summary(seconds[-counted:]) for name, seconds in added.items()}
    for name, summary in added_milliseconds.items():
        print(
            f"{name}: adds {summary['median']:.1f} ms ({summary['low']:.1f} - {summary['high']:.1f}, 10-90 %)"
        )
    memory = _memory_table(peaks, quick=quick)
    print(memory)
    return {
        "environment": environment(device, "none", {"order": SEED}),
        "comparisons": {"import": comparison.to_dict()},
        "added_milliseconds": added_milliseconds,
        "tables": [memory.to_dict()],
    }


def _arm(name: str, statement: str, added: list[float], peaks: list[int]) -> Arm:
    return Arm(name, lambda: Import(statement, added, peaks), work=1, unit="imports", self_timed=True)


def _installed_peers() -> dict[str, str]:
    packages = {name: statement.split()[-1].partition(".")[0] for name, statement in PEERS.items()}
    missing = [name for name, package in packages.items() if find_spec(package) is None]
    for name in missing:
        print(f"left out: {name}: not installed")
    return {name: statement for name, statement in PEERS.items() if name not in missing}


def _memory_table(peaks: dict[str, list[int]], *, quick: bool) -> Table:
    """The median of what each statement's interpreters had in RAM."""
    medians = {name: float(np.median(found)) for name, found in peaks.items()}
    rows = [
        (name, f"{peak / 2**20:,.0f} MiB", f"{(peak - medians[TORCH]) / 2**20:+,.0f} MiB")
        for name, peak in medians.items()
    ]
    return Table("memory after the imports", "", [("", "peak", "over torch"), *rows], [QUICK] * quick)


def _quick_statements() -> dict[str, str]:
    """Keep the two ends: each import of torch takes seconds."""
    first, *_, last = STATEMENTS
    return {first: STATEMENTS[first], last: STATEMENTS[last]}


def _summary(seconds: list[float]) -> dict[str, float]:
    low, median, high = np.quantile(np.asarray(seconds) * 1e3, [0.1, 0.5, 0.9])
    return {"median": float(median), "low": float(low), "high": float(high)}
