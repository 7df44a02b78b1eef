"""A finished run's record, the data it had, and the command that makes it again."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from practicezoo.recipes.holdout import hold_out, set_aside
from practicezoo.recipes.identity import fingerprint
from practicezoo.recipes.recipe import DataOptions, Recipe, Splits
from practicezoo.recipes.registry import get_recipe
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.sequences import PaddedSequence

__all__ = ["RunData", "command_of", "figures_of", "read_splits"]


@dataclass(frozen=True)
class RunData:
    """What a finished run was trained on.

    Attributes:
        folder: the run's folder.
        figures: its record, as ``result.json`` has it.
        splits: the data, as the run had it.
        kept_out: inputs and targets of the training file that the network was not shown; None for none.
    """

    folder: RunFolder
    figures: Mapping[str, Any]
    splits: Splits
    kept_out: tuple[Tensor | PaddedSequence, Tensor] | None

    @classmethod
    def of(cls, recipe: Recipe, run: str | Path, root: Path | None) -> Self:
        """Read it.

        Raises:
            ValueError: if the run is not finished or another recipe's, or the data is another.
            OSError: if the data is missing.
        """
        folder, figures = RunFolder(run), figures_of(run)
        if figures["recipe"] != recipe.name:
            raise ValueError(f"run must be one of {recipe.name}, got {run}, one of {figures['recipe']}")
        seed = figures["seed"]
        splits, kept_out = read_splits(recipe, figures["data"], seed, root), None
        if fraction := figures.get("calibration_fraction"):
            splits, kept_out = set_aside(splits, fraction=fraction, seed=seed)
        if fingerprint(splits.train) != figures["data_digest"]:
            raise ValueError(
                f"data must be what {run} was trained on ({figures['data']}), got another of that name"
            )
        setting = recipe.setting_for(splits, figures["setting"])
        if setting.held_out and not setting.refit:
            kept_out = splits.part(hold_out(splits.train[1], fraction=setting.held_out, seed=seed))
        return cls(folder, figures, splits, kept_out)


def figures_of(run: str | Path) -> Mapping[str, Any]:
    """The record of a finished run.

    Raises:
        ValueError: if it is not finished.
    """
    folder = RunFolder(run)
    if folder.stage != "finished":
        raise ValueError(f"run must be the folder of a finished run, got {run}, which is {folder.stage}")
    return folder.figures


def read_splits(recipe: Recipe, data: str, seed: int, root: Path | None) -> Splits:
    """A record's data: what it is called, and the seed of its split."""
    dataset = data if data in recipe.datasets else None
    return recipe.load(DataOptions(root=root, dataset=dataset), seed=seed)


def command_of(figures: Mapping[str, Any]) -> str:
    """The command that trains what a record is of."""
    recipe = get_recipe(figures["recipe"])
    words = ["python", "-m", "practicezoo", "train", recipe.name, "--setting", figures["setting"]]
    if figures["data"] in recipe.datasets:
        words += ["--dataset", figures["data"]]
    words += ["--seed", str(figures["seed"]), "--device", figures["device"]]
    if figures["epochs"] != recipe.settings[figures["setting"]].epochs:
        words += ["--epochs", str(figures["epochs"])]
    if figures.get("init"):
        words += ["--init", figures["init"].rpartition(" (")[0]]
    if figures.get("calibration_fraction"):
        words += ["--calibration-fraction", f"{figures['calibration_fraction']:g}"]
    return shlex.join(words)
