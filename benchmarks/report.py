"""What a result needs beside its numbers: the machine it was measured on, and a file to live in."""

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import practicezoo
from practicezoo.runtime.device import processor_name

__all__ = ["RESULTS", "environment", "read_payload", "results_of", "saved_results", "write_results"]

RESULTS = Path(__file__).parent / "results"


def environment(device: str, precision: str, seeds: Mapping[str, int]) -> dict:
    """Describe the machine and the software, without its name or a path of it.

    Args:
        device: Where the arms compute: "cpu" or "cuda".
        precision: What they compute in, such as "fp32".
        seeds: Every seed of the run, by what it seeds.
    """
    return {
        "device": torch.cuda.get_device_name(device) if _is_cuda(device) else "cpu",
        "precision": precision,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "seeds": dict(seeds),
        "processor": processor_name(),
        "num_threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": _installed_version("numpy"),
            "torchvision": _installed_version("torchvision"),
            "practicezoo": practicezoo.__version__,
            "cuda": torch.version.cuda if _is_cuda(device) else None,
            "cudnn": torch.backends.cudnn.version() if _is_cuda(device) else None,
        },
        **_revision(),
    }


def write_results(name: str, payload: Mapping, *, refused: bool = False) -> Path:
    """Write a benchmark's payload to results/NAME-cpu-THREADS.json or NAME-cuda.json and return the path.

    What is refused goes to a folder of its own, which git ignores and no table reads.
    """
    environment = payload["environment"]
    place = f"cpu-{environment['num_threads']}" if environment["device"] == "cpu" else "cuda"
    path = (RESULTS / "refused" if refused else RESULTS) / f"{name}-{place}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(payload, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def results_of(name: str, device: str = "") -> dict[str, dict]:
    """Read a benchmark's saved payloads, by where they were measured: "cpu-1", "cpu-2", "cuda"."""
    paths = sorted(RESULTS.glob(f"{name}-{device}*.json"))
    return {path.stem.removeprefix(f"{name}-"): read_payload(path) for path in paths}


def saved_results() -> dict[str, dict]:
    """Read every saved payload, by its file's name without the ending."""
    return {path.stem: read_payload(path) for path in sorted(RESULTS.glob("*.json"))}


def read_payload(path: Path) -> dict:
    """Read one file of results.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no benchmark's.
    """
    try:
        payload = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(payload, dict) or not {"environment", "comparisons"} <= payload.keys():
        raise ValueError(f"{path} is no benchmark's: it lacks environment and comparisons")
    return payload


def _is_cuda(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _revision() -> dict:
    """Return the commit, and whether something else than results differs from it; None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    changes = None if commit is None else _git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return {"commit": commit, "dirty": None if changes is None else changes != ""}


def _git(*arguments: str) -> str | None:
    root = Path(__file__).parents[1]
    if shutil.which("git") is None or not (root / ".git").exists():
        return None
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else None
