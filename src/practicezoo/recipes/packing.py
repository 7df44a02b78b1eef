"""From a finished run to a folder of weights with their record and card; and back: whether a record holds."""

import contextlib
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from practicezoo.models import model_summary
from practicezoo.predictors import Predictor, load, save
from practicezoo.predictors.saving import serialised
from practicezoo.recipes.card import write_card
from practicezoo.recipes.identity import fingerprint
from practicezoo.recipes.recipe import DataOptions, Recipe, Splits
from practicezoo.recipes.registry import get_recipe
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.recipes.scores import fit_temperature, logits_of, score
from practicezoo.recipes.sources import source_of
from practicezoo.recipes.trained import load_predictor
from practicezoo.sequences import PaddedSequence
from practicezoo.weights import Weights

__all__ = ["Verdict", "pack", "read_splits", "verify"]

TOLERANCE = 3 / 10_000  # of the predictions: processors round differently


def pack(
    recipe: Recipe,
    run: str | Path,
    folder: str | Path,
    *,
    tag: str,
    default: bool = False,
    root: Path | None = None,
    command: str | None = None,
    others: Sequence[str | Path] = (),
) -> None:
    """Write a finished run's weights, measured on the test data, with record and card.

    Halves are written where at most 3 of 10,000 test predictions change by that.

    Args:
        recipe: what was trained.
        run: the folder of the run.
        folder: where to write; see :func:`~practicezoo.save`.
        tag: names the data and the date.
        default: whether they are the model's default weights.
        root: the data root.
        command: what trains them again; default: from the run's record.
        others: folders of finished runs of the same command with other seeds, for the spread.

    Raises:
        ValueError: if a run is not finished, is another recipe's or another command's.
        OSError: if the data is missing, or ``folder`` cannot be written.
    """
    figures = _finished(run)
    seeds = _over_seeds(figures, [_finished(other) for other in others])
    predictor, state = load_predictor(recipe, RunFolder(run).checkpoint, device="cpu")
    splits = read_splits(recipe, figures["data"], figures["seed"], root)
    recipe.check_data(splits, state)
    if fingerprint(splits.train) != figures["data_digest"]:
        raise ValueError(
            f"data must be what {run} was trained on ({figures['data']}), got another of that name"
        )
    half = _halve_if_harmless(predictor, splits)
    calibration = fit_temperature(*logits_of(predictor, splits))
    if calibration is not None:
        predictor.temperature = calibration["temperature"]
    source = source_of(figures["data"])
    facts = {
        "tag": tag,
        "default": default,
        "metrics": score(recipe, predictor, splits),
        "calibration": calibration,
        "seeds": seeds,
        "data": {
            "name": figures["data"],
            "seed": figures["seed"],
            "digest": figures["data_digest"],
            **source.as_dict(root),
        },
        "license": "MIT",
        "command": command or _command(figures),
        "training": {
            "seed": figures["seed"],
            "seconds": figures["training_seconds"],
            "versions": figures["versions"],
            "machine": figures.get("machine", "not recorded"),
        },
        "dtype": "float16" if half else "float32",
    }
    cost = {
        "parameters": sum(parameter.numel() for parameter in predictor.model.parameters()),
        "multiply_adds": _multiply_adds(predictor, splits),
        "bytes": len(serialised(predictor.model, half=half)),
    }
    card = write_card(recipe, predictor, source, facts, cost)
    save(predictor, folder, card=card, half=half, facts=facts)


@dataclass(frozen=True)
class Verdict:
    """What :func:`verify` found.

    Attributes:
        weights: the record.
        holds: whether all that could be checked is as the record says.
        text: what was compared.
    """

    weights: Weights
    holds: bool
    text: str


def verify(weights: Weights, *, root: Path | None = None) -> Verdict:
    """Compare the file's hash with the record, and, where the data is, the number of right answers.

    Args:
        weights: the record.
        root: the data root.
    """
    try:
        predictor = load(weights)
    except (OSError, ValueError) as error:
        return Verdict(weights, holds=False, text=str(error))
    recipe = get_recipe(weights.model)
    try:
        splits = read_splits(recipe, weights.data["name"], weights.data["seed"], root)
    except OSError as error:
        return Verdict(weights, holds=True, text=f"the hash is right; its data is not here ({error})")
    logits, targets = logits_of(predictor, splits)
    right, expected = int((logits.argmax(dim=1) == targets).sum()), weights.metrics["num_right"]
    text = f"the hash is right; {right:,} of {len(targets):,} answers are right, the card says {expected:,}"
    return Verdict(weights, holds=abs(right - expected) <= TOLERANCE * len(targets), text=text)


def read_splits(recipe: Recipe, data: str, seed: int, root: Path | None) -> Splits:
    """A record's data: what it is called, and the seed of its split."""
    dataset = data if data in recipe.datasets else None
    return recipe.load(DataOptions(root=root, dataset=dataset), seed=seed)


def _finished(run: str | Path) -> Mapping[str, Any]:
    """The record of a finished run."""
    folder = RunFolder(run)
    if folder.stage != "finished":
        raise ValueError(f"run must be the folder of a finished run, got {run}, which is {folder.stage}")
    return folder.figures


def _over_seeds(
    figures: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """What each figure was with each seed, by the figure's name."""
    for other in others:
        for key in ("recipe", "setting", "data", "epochs"):
            if other[key] != figures[key]:
                raise ValueError(f"{key} of the other runs must be {figures[key]!r}, got {other[key]!r}")
    runs = {str(run["seed"]): run for run in (figures, *others)}
    if len(runs) <= len(others):
        raise ValueError(
            f"seed must be another for each run, got {[run['seed'] for run in (figures, *others)]}"
        )
    names = [  # the majority's fraction is the data's, whatever the seed
        name
        for name, value in figures.items()
        if name.startswith("test_") and name != "test_majority" and isinstance(value, float)
    ]
    return {name: {seed: run[name] for seed, run in runs.items()} for name in names}


def _halve_if_harmless(predictor: Predictor, splits: Splits) -> bool:
    """Round the weights to halves if hardly a prediction changes; whether they are rounded."""
    before, _ = logits_of(predictor, splits)
    whole = {name: tensor.clone() for name, tensor in predictor.model.state_dict().items()}
    predictor.model.load_state_dict({name: _halved(tensor) for name, tensor in whole.items()})
    after, _ = logits_of(predictor, splits)
    changed = int((before.argmax(dim=1) != after.argmax(dim=1)).sum())
    if changed <= TOLERANCE * len(before):
        return True
    predictor.model.load_state_dict(whole)
    return False


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half().to(tensor.dtype) if tensor.is_floating_point() else tensor


def _multiply_adds(predictor: Predictor, splits: Splits) -> int:
    inputs = splits.test[0]
    first = inputs.rows(torch.tensor([0])) if isinstance(inputs, PaddedSequence) else inputs[:1]
    example = first if splits.transform is None else splits.transform(first)
    with contextlib.redirect_stdout(io.StringIO()):
        return model_summary(predictor.model, example).multiply_adds


def _command(figures: Mapping[str, Any]) -> str:
    words = ["python", "-m", "practicezoo", "train", figures["recipe"], "--setting", figures["setting"]]
    if figures["data"] in get_recipe(figures["recipe"]).datasets:
        words += ["--dataset", figures["data"]]
    return shlex.join([*words, "--seed", str(figures["seed"]), "--device", figures["device"]])
