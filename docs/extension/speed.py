"""Tables of what makes a step faster, from the results that the repository holds."""

from collections.abc import Mapping
from typing import Any

from benchmarks.report import results_of
from benchmarks.tables import format_threads
from extension.pages import table, write

BATCH_SIZE = 256
EAGER, COMPILED = "eager fp32", "compiled fp32"
WAYS = {
    "`channels_last`": "eager fp32 channels_last",
    "bf16": "eager bf16",
    "bf16, `channels_last`": "eager bf16 channels_last",
    "compiled": COMPILED,
}


def write_speed() -> None:
    """Write the tables that ``speed.md``, ``compile.md`` and ``benchmarks.md`` include."""
    training, inference = results_of("training_step")["cpu-1"], results_of("inference")["cpu-1"]
    steps = _ratios(training)
    rows = [(f"`{name}`", *(_plain(ratios, way) for way in WAYS.values())) for name, ratios in steps.items()]
    write("speed_steps.inc", f"{table(['training step', *WAYS], rows, 'lrrrr')}\n{_machine(training)}\n")
    evaluated = _ratios(inference)
    compiled = [
        name for name in steps.keys() & evaluated if COMPILED in steps[name] and COMPILED in evaluated[name]
    ]
    both = [
        (f"`{name}`", _interval(evaluated[name][COMPILED]), _interval(steps[name][COMPILED]))
        for name in sorted(compiled, key=lambda name: evaluated[name][COMPILED]["median"])
    ]
    head = ["network", "inference", "training step"]
    write("speed_compiled.inc", f"{table(head, both, 'lrr')}\n{_machine(inference)}\n")
    names, peers = results_of("names_epoch")["cpu-1"], results_of("peers")["cpu-1"]
    write("speed_names.inc", _arms("an epoch of names", names, "one epoch on names"))
    write("speed_threads.inc", _threads(results_of("threads")["cpu-2"]))
    write("speed_peers.inc", _arms("a small training run", peers, "beside other frameworks"))


def _arms(what: str, result: Mapping[str, Any], title: str) -> str:
    comparison = result["comparisons"][title]
    arms = sorted(comparison["measurements"], key=lambda arm: arm["ratio"]["median"])
    rows = [(arm["name"], _interval(arm["ratio"])) for arm in arms if not arm["name"].endswith("(again)")]
    head = [what, f"time, beside {comparison['reference']!r}"]
    return f"{table(head, rows, 'lr')}\n{_machine(result)}\n"


def _threads(result: Mapping[str, Any]) -> str:
    """What two threads gain, by model and size of batch."""
    found: dict[str, dict[str, str]] = {}
    for title, comparison in result["comparisons"].items():
        name, _, size = title.partition(", ")
        (ratio,) = (arm["ratio"] for arm in comparison["measurements"] if arm["name"] == "2 threads")
        found.setdefault(name, {})[size] = _interval(ratio)
    sizes = sorted(next(iter(found.values())), key=lambda size: int(size.split()[-1]))
    rows = [(f"`{name}`", *(ratios[size] for size in sizes)) for name, ratios in found.items()]
    head = ["two threads, beside one", *sizes]
    return f"{table(head, rows, 'lrr')}\n{_machine(result)}\n"


def _ratios(result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The ratio of each way to eager float32, by model; cells whose reference is not steady are left out."""
    return {
        cell["model"]: {arm["name"]: arm["ratio"] for arm in cell["measurements"]}
        for cell in result["grid"]["cells"]
        if cell["batch_size"] == BATCH_SIZE and cell["trustworthy"]
    }


def _plain(ratios: Mapping[str, Mapping[str, float]], way: str) -> str:
    return f"{ratios[way]['median']:.2f}" if way in ratios else ""


def _interval(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _machine(result: Mapping[str, Any]) -> str:
    found = result["environment"]
    return (
        f"Time beside the reference, below 1 is faster; {format_threads(found['num_threads'])} of an "
        f"{found['processor']}, torch {found['versions']['torch']}."
    )
