"""From a finished run to a folder of weights with their record and card; and back: whether a record holds."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from practicezoo.models import model_summary
from practicezoo.predictors import Predictor, load
from practicezoo.predictors.saving import serialised, write_folder
from practicezoo.recipes.calibrating import SAME, check_same, choose_temperature
from practicezoo.recipes.card import write_card
from practicezoo.recipes.identity import fingerprint
from practicezoo.recipes.recipe import Recipe, Splits
from practicezoo.recipes.registry import get_recipe
from practicezoo.recipes.run_data import RunData, command_of, figures_of, read_splits
from practicezoo.recipes.scores import logits_of, score
from practicezoo.recipes.sources import source_of
from practicezoo.recipes.trained import load_predictor
from practicezoo.sequences import PaddedSequence
from practicezoo.weights import Weights
from practicezoo.weights.reading import read_config
from practicezoo.weights.records import asset_folder

__all__ = ["Verdict", "pack", "remeasure", "verify"]

OPTIONAL = ("init", "calibration_fraction")  # of a run; one command's runs have the same
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
    calibrated_by: Sequence[str | Path] = (),
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
        calibrated_by: folders of finished runs of the same command that kept a part of the training data
            out, on which the temperature is chosen; default: the run itself if it did, else there is none.

    Raises:
        ValueError: if a run is not finished, is another recipe's or another command's.
        OSError: if the data is missing, or ``folder`` cannot be written.
    """
    data = RunData.of(recipe, run, root)
    figures, splits = data.figures, data.splits
    seeds = {name: {str(figures["seed"]): value} for name, value in _test_figures(figures).items()}
    seeds = _with_others(seeds, others, like=figures)
    predictor, state = load_predictor(recipe, data.folder.checkpoint, device="cpu")
    recipe.check_data(splits, state)
    half = _halve_if_harmless(predictor, splits)
    calibration = None
    if calibrated_by or data.kept_out is not None:
        calibration = choose_temperature(
            recipe, calibrated_by or [run], splits=splits, like=figures, root=root
        )
    facts = {
        "tag": tag,
        "default": default,
        "calibration": calibration,
        "seeds": seeds,
        "data": {"name": figures["data"], "seed": figures["seed"], "digest": figures["data_digest"]},
        "license": "MIT",
        "command": command or command_of(figures),
        "training": {
            "setting": figures["setting"],
            "epochs": figures["epochs"],
            "seed": figures["seed"],
            "seconds": figures["training_seconds"],
            "versions": figures["versions"],
            "machine": figures.get("machine", "not recorded"),
            **{key: figures[key] for key in OPTIONAL if figures.get(key)},
        },
    }
    _write(recipe, predictor, splits, folder, facts, half=half, root=root)


def remeasure(
    weights: Weights,
    folder: str | Path,
    *,
    root: Path | None = None,
    others: Sequence[str | Path] = (),
    calibrated_by: Sequence[str | Path] = (),
) -> None:
    """Measure the weights of a record again, and write them with a new record and card.

    Args:
        weights: the record.
        folder: where to write.
        root: the data root.
        others: as for :func:`pack`; the seeds that the record has stay.
        calibrated_by: as for :func:`pack`; default: the temperature stays.

    Raises:
        ValueError: if the files are damaged, a run is another command's, or the data is another.
        OSError: if the data is missing, or ``folder`` cannot be written.
    """
    recipe, predictor = get_recipe(weights.model), load(weights)
    record = read_config(asset_folder(weights))
    splits = read_splits(recipe, weights.data["name"], weights.data["seed"], root)
    if fingerprint(splits.train) != weights.data["digest"]:
        raise ValueError(f"data must be what {weights} was trained on, got another {weights.data['name']}")
    like = {"recipe": recipe.name, "data": weights.data["name"], **record["training"]}
    record["seeds"] = _with_others(record["seeds"], others, like=like)
    if calibrated_by:
        record["calibration"] = choose_temperature(recipe, calibrated_by, splits=splits, like=like, root=root)
    kept = ("tag", "default", "calibration", "seeds", "license", "command", "training")
    facts = {name: record[name] for name in kept}
    facts["data"] = {name: weights.data[name] for name in ("name", "seed", "digest")}
    _write(recipe, predictor, splits, folder, facts, half=record["dtype"] == "float16", root=root)


def _write(
    recipe: Recipe,
    predictor: Predictor,
    splits: Splits,
    folder: str | Path,
    facts: dict[str, Any],
    *,
    half: bool,
    root: Path | None,
) -> None:
    """Measure a predictor on the test data; write it with the facts that are known of it."""
    calibration, source = facts["calibration"], source_of(facts["data"]["name"])
    predictor.temperature = calibration["temperature"] if calibration else 1.0
    content = serialised(predictor.model, half=half)
    facts = {
        **facts,
        "metrics": score(recipe, predictor, splits),
        "data": {**facts["data"], **source.as_dict(root)},
        "dtype": "float16" if half else "float32",
    }
    cost = {
        "parameters": sum(parameter.numel() for parameter in predictor.model.parameters()),
        "multiply_adds": _multiply_adds(predictor, splits),
        "bytes": len(content),
    }
    card = write_card(recipe, predictor, source, facts, cost)
    write_folder(predictor, folder, content=content, card=card, facts=facts)


@dataclass(frozen=True)
class Verdict:
    """What :func:`verify` found.

    Attributes:
        weights: the record.
        holds: whether all that could be checked is as the record says.
        text: what was compared.
        measured: whether the test data was there to be asked about.
    """

    weights: Weights
    holds: bool
    text: str
    measured: bool = True


def verify(weights: Weights, *, root: Path | None = None) -> Verdict:
    """Compare the file's hash with the record, and, where the data is, the number of right answers.

    Args:
        weights: the record.
        root: the data root.
    """
    try:
        predictor = load(weights)
    except (OSError, ValueError) as error:
        return Verdict(weights, holds=False, text=str(error), measured=False)
    recipe = get_recipe(weights.model)
    try:
        splits = read_splits(recipe, weights.data["name"], weights.data["seed"], root)
    except OSError as error:
        reason = str(error).partition(";")[0]
        return Verdict(weights, holds=True, text=f"the hash is right, but {reason}", measured=False)
    logits, targets = logits_of(predictor, splits)
    right, expected = int((logits.argmax(dim=1) == targets).sum()), weights.metrics["num_right"]
    text = f"the hash is right; {right:,} of {len(targets):,} answers are right, the card says {expected:,}"
    return Verdict(weights, holds=abs(right - expected) <= TOLERANCE * len(targets), text=text)


def _with_others(
    seeds: Mapping[str, Mapping[str, float]], others: Sequence[str | Path], *, like: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """What each figure was with each seed, by the figure's name, with those of other runs."""
    spread = {name: dict(values) for name, values in seeds.items()}
    for run in others:
        figures = figures_of(run)
        check_same(run, figures, like=like, keys=(*SAME, *OPTIONAL))
        seed, tested = str(figures["seed"]), _test_figures(figures)
        for name, values in spread.items():
            if seed in values:
                raise ValueError(f"seed must be another for each run, got {seed} of {run} again")
            values[seed] = tested[name]
    return spread


def _test_figures(figures: Mapping[str, Any]) -> dict[str, float]:
    """A run's own figures on the test data; the majority's fraction is the data's, whatever the run."""
    return {
        name: value
        for name, value in figures.items()
        if name.startswith("test_") and name != "test_majority" and isinstance(value, float)
    }


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
