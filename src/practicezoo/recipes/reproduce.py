"""Results measured anew: the course's systems at the course's setting, and the weights in the wheel."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Self

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
from practicezoo.weights import Weights, list_weights
from practicezoo.weights.records import find_named

__all__ = ["Reproduced", "reproduce"]

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Reproduced:
    """A system's result beside the course's, or that of a card.

    Attributes:
        system: its name.
        reference: the course's result, or the card's figures with their intervals of 95 %.
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
    seed: int | None = None


@dataclass(frozen=True)
class _Training:
    """A recipe that is trained, and what the result is compared with."""

    name: str
    recipe: Recipe
    setting: str
    seed: int
    reference: str
    expected: Mapping[str, tuple[float, float]]
    data: str | None  # of these figures
    dataset: str | None = None

    @property
    def quick(self) -> bool:
        return self.recipe.quick

    @classmethod
    def of_the_course(cls, recipe: Recipe) -> Self:
        """At the course's setting."""
        return cls(
            name=recipe.name,
            recipe=recipe,
            setting="course",
            seed=recipe.course_seed,
            reference=recipe.reference,
            expected=recipe.expected,
            data=recipe.course_data,
        )

    @classmethod
    def of_weights(cls, weights: Weights) -> Self:
        """As the weights were trained; figures must lie in the intervals of the card."""
        metrics = weights.metrics
        intervals = {"test_accuracy": "interval", "test_accuracy_unseen": "interval_unseen"}
        expected = {name: tuple(metrics[key]) for name, key in intervals.items() if key in metrics}
        figures = (
            f"{name} {metrics[name]:.4f} ({low:.4f} to {high:.4f})" for name, (low, high) in expected.items()
        )
        return cls(
            name=str(weights),
            recipe=get_recipe(weights.model),
            setting="best",
            seed=weights.data["seed"],
            reference=", ".join(figures),
            expected=expected,
            data=weights.data["name"],
            dataset=weights.data["name"],
        )


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
    setting: str = "course",
    quick: bool = False,
    data: DataOptions | None = None,
    device: str = "auto",
) -> Iterator[Reproduced]:
    """Train systems again, one after another: as the course does, or as the weights in the wheel were.

    At "best" the weights in the wheel are trained again from their seed on, on their data, which takes from
    seconds to more than an hour each. Processors round differently, so that another network comes out: its
    figures must lie in the intervals of 95 % that the card tells.

    Args:
        names: which ones; default: all, in the order of the course. At "best" models, of which the default
            weights are meant, or models and tags with a slash between them; default: all default weights.
        setting: "course" or "best".
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
    check_choice(("course", "best"), setting=setting)
    chosen = _of_the_course(names) if setting == "course" else _of_the_wheel(names)
    pick_device(device)
    data = data or DataOptions()
    if data.root is not None:
        data_root(data.root)
    return (_reproduce(system, data, device) for system in chosen if names or system.quick or not quick)


def _of_the_course(names: Sequence[str]) -> list[_Lesson | _Training]:
    recipes = [get_recipe(name) for name in list_recipes()]
    systems: dict[str, _Lesson | _Training] = {system.name: system for system in LESSONS}
    systems |= {
        recipe.name: _Training.of_the_course(recipe) for recipe in recipes if "course" in recipe.settings
    }
    for name in names:
        check_choice(systems, name=name)
    return [systems[name] for name in names or systems]


def _of_the_wheel(names: Sequence[str]) -> list[_Training]:
    named = [find_named(name) for name in names]
    defaults = [weights for weights in list_weights() if weights.default]
    return [_Training.of_weights(weights) for weights in named or defaults]


def _reproduce(system: _Lesson | _Training, data: DataOptions, device: str) -> Reproduced:
    started = time.perf_counter()
    figures: Figures = {}
    verdict = why = ""
    try:
        if isinstance(system, _Training):
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
        system.seed,
        round(time.perf_counter() - started, 2),
        verdict or ("skipped" if why else _verdict(measured, system.expected)),
        why,
    )


def _train(system: _Training, data: DataOptions, device: str) -> tuple[Figures, str]:
    """The figures, or why they could not be compared."""
    started = time.perf_counter()
    recipe, data = system.recipe, replace(data, dataset=data.dataset or system.dataset)
    with tempfile.TemporaryDirectory() as folder:
        with distributed_context(device) as context:
            experiment = prepare(recipe, system.setting, data=data, device=context.device, seed=system.seed)
            found = experiment.splits.source
            if system.data not in {None, found}:
                whose = "course" if system.setting == "course" else "card"
                return {}, f"the {whose}'s figures are for {system.data}, got {found}"
            last = [_LastEpochs(experiment)] if system.setting == "course" else []
            run_folder = RunFolder(Path(folder) / recipe.name)
            trained = train_experiment(experiment, run_folder, progress=False, callbacks=last)
        medians = {name: value for callback in last for name, value in callback.medians().items()}
        return {**measure_trained(trained, started=started).figures, **medians}, ""


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
