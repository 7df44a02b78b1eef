"""Every system of the course at the course's own setting, its result beside the course's."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from practicezoo.graph import gradient_by_paths, trace
from practicezoo.recipes.base import DataOptions, Recipe
from practicezoo.recipes.regression import regress_by_hand
from practicezoo.recipes.runner import train_recipe

__all__ = ["Reproduced", "reproduce"]

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Reproduced:
    """A system's result beside the course's.

    Attributes:
        system: its name.
        reference: the course's result.
        measured: the figures that were measured, by name.
        seconds: how long that took.
        verdict: "agrees", "differs", or "skipped" if there is nothing to compare.
        reason: why it was skipped.
    """

    system: str
    reference: str
    measured: Mapping[str, Any]
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


LESSONS = {
    "graph": _Lesson(
        "graph",
        "gradient of b in (a + b)(b + 1) at (3, 1): 6",
        {"by_paths": (6, 6), "by_autograd": (6, 6)},
        _two_paths,
    ),
    "linear_regression_by_hand": _Lesson(
        "linear_regression_by_hand",
        "w = 1.9999996423721313 after 100 epochs (float32)",
        {"weight": (1.9999996423721313 - 3e-7, 1.9999996423721313 + 3e-7)},
        _by_hand,
    ),
}


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
        quick: leave out those that take more than seconds.
        data: where real data lies; a system without its data is reported, not an error.
        device: see :func:`~practicezoo.pick_device`.

    Yields:
        Each system's result as soon as it is there.

    Raises:
        ValueError: if a name is unknown.

    Example:
        >>> for row in reproduce(["graph"]):
        ...     print(row.system, row.measured, row.verdict)
        graph {'by_paths': 6.0, 'by_autograd': 6.0} agrees
    """
    from practicezoo.recipes import get_recipe, list_recipes  # noqa: PLC0415  # this package itself

    recipes = [get_recipe(name) for name in list_recipes()]
    systems = LESSONS | {recipe.name: recipe for recipe in recipes if "course" in recipe.settings}
    for name in names:
        if name not in systems:
            raise ValueError(f"name must be one of {', '.join(systems)}, got {name!r}")
    chosen = [systems[name] for name in names or systems if not quick or systems[name].quick]
    return (_reproduce(system, data or DataOptions(), device) for system in chosen)


def _reproduce(system: _Lesson | Recipe, data: DataOptions, device: str) -> Reproduced:
    started = time.perf_counter()
    why = ""
    try:
        if isinstance(system, Recipe):
            figures, why = _train(system, data, device)
        else:
            figures = system.run()
    except FileNotFoundError as error:
        figures, why = {}, str(error)
    shown = {*system.expected, "prediction"}
    measured = {name: value for name, value in figures.items() if name in shown}
    return Reproduced(
        system.name,
        system.reference,
        measured,
        round(time.perf_counter() - started, 2),
        "skipped" if why else _verdict(measured, system.expected),
        why,
    )


def _train(recipe: Recipe, data: DataOptions, device: str) -> tuple[Figures, str]:
    """The figures, and why they cannot be compared with the course's, if so."""
    with tempfile.TemporaryDirectory() as folder:
        result = train_recipe(
            recipe,
            Path(folder) / recipe.name,
            setting="course",
            data=data,
            device=device,
            seed=recipe.course_seed,
            progress=False,
        )
    found = result.figures["data"]
    others = recipe.course_data is not None and found != recipe.course_data
    return result.figures, f"the course's figures are for {recipe.course_data}, got {found}" if others else ""


def _verdict(measured: Figures, expected: Mapping[str, tuple[float, float]]) -> str:
    agrees = all(low <= measured[name] <= high for name, (low, high) in expected.items())
    return "agrees" if agrees else "differs"
