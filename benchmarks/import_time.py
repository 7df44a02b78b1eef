"""What do `import practicezoo` and loading a network cost over `import torch`, in fresh interpreters?"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.report import environment
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

# The child reads the clock itself, so that starting the interpreter does not count. It reads it
# between the two imports too: the second's own seconds are far steadier than a difference of totals.
CHILD = """
from time import perf_counter
start = perf_counter()
import torch
torch_done = perf_counter()
{statement}
done = perf_counter()
print(done - start, done - torch_done)
"""


class Import:
    """A step that imports in a fresh interpreter and returns the seconds that the imports took.

    Args:
        statement: What to run after `import torch`.
        added: Receives, for each step, the seconds that the statement took.
    """

    def __init__(self, statement: str, added: list[float]) -> None:
        path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
        self.environment = os.environ | {"PYTHONPATH": path}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library is compiled already
        self.command = [sys.executable, "-c", CHILD.format(statement=statement)]
        self.added = added

    def __call__(self) -> float:
        """Start the interpreter and return the seconds of all its imports."""
        child = subprocess.run(  # noqa: S603 - this interpreter, with the code above
            self.command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        total, added = map(float, child.stdout.split())
        self.added.append(added)
        return total


def run(*, device: str, quick: bool) -> dict:
    """Import in turns; print the totals, and the milliseconds that practicezoo adds."""
    statements = _quick_statements() if quick else STATEMENTS
    added: dict[str, list[float]] = {name: [] for name in statements if name != TORCH}
    comparison = compare(
        [_arm(name, statement, added.get(name, [])) for name, statement in statements.items()],
        reference=TORCH,
        rounds=1 if quick else 15,
        warmup=0 if quick else 2,
        quick=quick,
        seed=SEED,
    )
    print(comparison.table())

    counted = len(comparison[TORCH].rounds)
    added_milliseconds = {name: _summary(seconds[-counted:]) for name, seconds in added.items()}
    for name, summary in added_milliseconds.items():
        print(
            f"{name}: adds {summary['median']:.1f} ms ({summary['low']:.1f} - {summary['high']:.1f}, 10-90 %)"
        )
    return {
        "environment": environment(device, "none", {"order": SEED}),
        "comparisons": {"import": comparison.to_dict()},
        "added_milliseconds": added_milliseconds,
    }


def _arm(name: str, statement: str, added: list[float]) -> Arm:
    return Arm(name, lambda: Import(statement, added), work=1, unit="imports", self_timed=True)


def _quick_statements() -> dict[str, str]:
    """Keep the two ends: each import of torch takes seconds."""
    first, *_, last = STATEMENTS
    return {first: STATEMENTS[first], last: STATEMENTS[last]}


def _summary(seconds: list[float]) -> dict[str, float]:
    low, median, high = np.quantile(np.asarray(seconds) * 1e3, [0.1, 0.5, 0.9])
    return {"median": float(median), "low": float(low), "high": float(high)}
