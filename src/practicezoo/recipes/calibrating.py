"""A temperature for trained weights, chosen on training data that a run of their kind was not shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from practicezoo.metrics.calibration import best_temperature
from practicezoo.recipes.identity import fingerprint
from practicezoo.recipes.recipe import Recipe, Splits
from practicezoo.recipes.run_data import RunData, command_of
from practicezoo.recipes.scores import logits_of
from practicezoo.recipes.trained import load_predictor

__all__ = ["SAME", "check_same", "choose_temperature"]

MIN_ROWS = 100  # with fewer the choice would be a matter of chance
SAME = ("recipe", "setting", "data", "epochs")  # of runs that are one command's with other seeds


def check_same(
    run: str | Path, figures: Mapping[str, Any], *, like: Mapping[str, Any], keys: Sequence[str] = SAME
) -> None:
    """Raise ValueError for the first of ``keys`` in which a run's record differs from another's."""
    for key in keys:
        wanted, found = (facts.get(key) or None for facts in (like, figures))
        if wanted != found:
            raise ValueError(f"{key} of {run} must be {wanted!r}, got {found!r}")


def choose_temperature(
    recipe: Recipe,
    runs: Sequence[str | Path],
    *,
    splits: Splits,
    like: Mapping[str, Any],
    root: Path | None,
) -> dict[str, Any]:
    """The temperature that is best on what runs were not shown of the training data.

    Args:
        recipe: what was trained.
        runs: folders of finished runs of the same kind, each of which kept a part of its training data out;
            that of several is put together.
        splits: the data that the weights are measured on.
        like: recipe, setting, data and epochs of the run that gave the weights.
        root: the data root.

    Returns:
        The temperature, the number of rows it was chosen on, and the commands of the runs.

    Raises:
        ValueError: if a run is of another kind, kept nothing out or has other test data, or there are fewer
            than 100 rows in all.
        OSError: if the data is missing.
    """
    logits, targets, commands = [], [], []
    for run in runs:
        data = RunData.of(recipe, run, root)
        check_same(run, data.figures, like=like)
        if fingerprint(data.splits.test) != fingerprint(splits.test):
            raise ValueError(f"test data of {run} must be that of the weights: train it with their seed")
        if data.kept_out is None:
            raise ValueError(
                f"run must keep training data out, got {run}, which was shown all of it: train it with "
                "--calibration-fraction"
            )
        predictor, _ = load_predictor(recipe, data.folder.checkpoint, device="cpu")
        outputs, labels = logits_of(predictor, data.splits, data.kept_out)
        logits.append(outputs)
        targets.append(labels)
        commands.append(command_of(data.figures))
    count = sum(map(len, targets))
    if count < MIN_ROWS:
        raise ValueError(f"runs must keep at least {MIN_ROWS} rows out in all, got {count}")
    temperature = best_temperature(torch.cat(logits), torch.cat(targets))
    return {"temperature": temperature, "num_samples": count, "commands": commands}
