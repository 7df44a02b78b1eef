"""Every system of the course at the course's own setting, its result beside the course's."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from practicezoo.arguments import check_choice
from practicezoo.data.root import data_root
from practicezoo.graph import gradient_by_paths, trace
from practicezoo.recipes.experiment import Experiment, prepare
from practicezoo.recipes.recipe import DataOptions, Recipe
from practicezoo.recipes.registry import get_recipe, list_recipes
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.recipes.systems.regression import regress_by_hand
from practicezoo.recipes.train import measure_trained, train_experiment
from practicezoo.training import Callback, Run, distributed_context, pick_device

__all__ = ["Reproduced", "reproduce"]

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Reproduced:
    """A system's result beside the course's.

    Attributes:
        system: its name.
        reference: the course's result.
        measured: the figures that were measured, by name.
        seed: the seed it ran with; None if nothing is random.
        seconds: how long it took.
        verdict: "agrees", "differs", "skipped" if its data is not there, or "failed".
        reason: why it was skipped or failed.
    """

    system: str
    reference: str
    measured: Mapping[str, Any]
    seed: int | None
    seconds: float
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class _Lesson:
    """A system that is a few lines of arithmetic: nothing to train, nothing to save."""

    name: str
    reference: str
    expected: Mapping[str, tuple[float, float]]
    run: Callable[[], dict[str, float]]
    quick: bool = True


def _two_paths() -> dict[str, float]:
    """E = (a + b)(b + 1) at a = 3, b = 1, path by path and by autograd."""
    a, b = (torch.tensor(number, requires_grad=True) for number in (3.0, 1.0))
    e = (a + b) * (b + 1)
    graph = trace(e, {"a": a, "b": b, "e": e})
    by_paths = gradient_by_paths(graph, "b", "e")
    e.backward()
    assert b.grad is not None  # noqa: S101  # backward has just made it
    return {"by_paths": by_paths, "by_autograd": b.grad.item()}


def _by_hand() -> dict[str, float]:
    return {"weight": regress_by_hand()[-1]}


LESSONS = (
    _Lesson(
        "graph",
        "gradient of b in (a + b)(b + 1) at (3, 1): 6",
        {"by_paths": (6, 6), "by_autograd": (6, 6)},
        _two_paths,
    ),
    _Lesson(
        "linear_regression_by_hand",
        "w = 1.9999996423721313 after 100 epochs (float32)",
        {"weight": (1.9999996423721313 - 3e-7, 1.9999996423721313 + 3e-7)},
        _by_hand,
    ),
)


def reproduce(
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    data: DataOptions | None = None,
    device: str = "auto",
) -> Iterator[Reproduced]:
    """Run systems of the course as the course does, one after another.

    Args:
        names: which ones; default: all, in the order of the course.
        quick: of all, only those that take seconds.
        data: where real data lies; a system without its data, or one that fails, is reported.
        device: see :func:`~practicezoo.pick_device`.

    Yields:
        Each system's result as soon as it is there.

    Raises:
        ValueError: if a name or the device is unknown.
        FileNotFoundError: if the data root that ``data`` names is no folder.

    Example:
        >>> for row in reproduce(["graph"]):
        ...     print(row.system, row.measured, row.verdict)
        graph {'by_paths': 6.0, 'by_autograd': 6.0} agrees
    """
    recipes = [get_recipe(name) for name in list_recipes()]
    of_the_course = [recipe for recipe in recipes if "course" in recipe.settings]
    systems: dict[str, _Lesson | Recipe] = {system.name: system for system in LESSONS}
    systems |= {recipe.name: recipe for recipe in of_the_course}
    for name in names:
        check_choice(systems, name=name)
    pick_device(device)
    data = data or DataOptions()
    if data.root is not None:
        data_root(data.root)
    chosen = names or [name for name, system in systems.items() if system.quick or not quick]
    return (_reproduce(systems[name], data, device) for name in chosen)


def _reproduce(system: _Lesson | Recipe, data: DataOptions, device: str) -> Reproduced:
    started = time.perf_counter()
    figures: Figures = {}
    verdict = why = ""
    try:
        if isinstance(system, Recipe):
            figures, why = _train(system, data, device)
        else:
            figures = system.run()
    except FileNotFoundError as error:
        why = str(error)
    except (OSError, ValueError, FloatingPointError) as error:  # the others still run
        verdict, why = "failed", str(error)
    shown = {*system.expected, "prediction"}
    measured = {name: value for name, value in figures.items() if name in shown}
    return Reproduced(
        system.name,
        system.reference,
        measured,
        getattr(system, "course_seed", None),
        round(time.perf_counter() - started, 2),
        verdict or ("skipped" if why else _verdict(measured, system.expected)),
        why,
    )


def _train(recipe: Recipe, data: DataOptions, device: str) -> tuple[Figures, str]:
    """The figures, or why they could not be compared with the course's."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with distributed_context(device) as context:
            experiment = prepare(recipe, "course", data=data, device=context.device, seed=recipe.course_seed)
            found = experiment.splits.source
            if recipe.course_data not in {None, found}:
                return {}, f"the course's figures are for {recipe.course_data}, got {found}"
            last = _LastEpochs(experiment)
            run_folder = RunFolder(Path(folder) / recipe.name)
            trained = train_experiment(experiment, run_folder, progress=False, callbacks=[last])
        return {**measure_trained(trained, started=started).figures, **last.medians()}, ""


class _LastEpochs(Callback):
    """Measures the last epochs of a run on the test data; nothing is chosen by it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.figures: list[Figures] = []

    def on_epoch_end(self, run: Run) -> None:
        recipe = self.experiment.recipe
        if 1 < recipe.judged_epochs > run.epochs - run.epoch:
            self.figures.append(recipe.measure(run.model, self.experiment.splits))

    def medians(self) -> Figures:
        names = self.figures[0] if self.figures else ()
        return {f"median_{name}": median(each[name] for each in self.figures) for name in names}


def _verdict(measured: Figures, expected: Mapping[str, tuple[float, float]]) -> str:
    figures = [(measured[name], low, high) for name, (low, high) in expected.items()]
    agrees = all(value is not None and low <= value <= high for value, low, high in figures)
    return "agrees" if agrees else "differs"
