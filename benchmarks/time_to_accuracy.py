"""How long does `mnist_fast` train, and how sure is its accuracy on the test images, over many seeds?

A run is what the recipe does, from weights drawn from the seed to those after its one epoch; reading the
images, bringing them to the device and building the network come before the clock starts, and the test
images are looked at after it has stopped. The first run is a warm-up and is not counted.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.datasets import training_images
from benchmarks.report import environment
from benchmarks.tables import QUICK, Table, format_seconds
from practicezoo import fit
from practicezoo.recipes import DataOptions, get_recipe
from practicezoo.recipes.experiment import Experiment, prepare

RECIPE, SETTING = "mnist_fast", "tuned"
NUM_SEEDS = 30
QUICK_SEEDS, QUICK_SIZE = 2, 480
FIRST_SEED = 0


def prepared(*, device: str, quick: bool) -> Experiment:
    """Read MNIST where the data root has it, else draw digits; the recipe's setting for them."""
    _, source = training_images(1)
    data = DataOptions(dataset="mnist" if source == "MNIST" else "synthetic")
    experiment = prepare(get_recipe(RECIPE), SETTING, data=data, device=torch.device(device), seed=FIRST_SEED)
    if not quick:
        return experiment
    splits = experiment.splits
    train, test = (
        replace(splits, train=data).part(torch.arange(len(data[1])) < QUICK_SIZE)
        for data in (splits.train, splits.test)
    )
    return replace(
        experiment,
        splits=replace(splits, train=train, test=test),
        held_out=experiment.held_out[:QUICK_SIZE],
    )


def train(experiment: Experiment) -> tuple[float, float]:
    """Train from the experiment's seed on; returns the seconds and the accuracy on the test images."""
    setting = experiment.setting
    model, loader, optimizer = experiment.assemble(experiment.splits.train, setting)
    scheduler = setting.lr_scheduler and setting.lr_scheduler(optimizer, len(loader) * setting.epochs)
    _wait_for(experiment.device)
    start = time.perf_counter()
    fit(
        model,
        loader,
        criterion=setting.criterion(),
        optimizer=optimizer,
        epochs=setting.epochs,
        lr_scheduler=scheduler,
        precision=setting.precision,
        progress=False,
    )
    _wait_for(experiment.device)
    seconds = time.perf_counter() - start
    return seconds, experiment.recipe.measure(model, experiment.splits)["test_accuracy"]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation, and the lower end of the mean's 95 % interval.

    Example:
        >>> {name: round(value, 3) for name, value in summary([0.98, 1.0]).items()}
        {'mean': 0.99, 'standard_deviation': 0.014, 'lower': 0.97}
    """
    spread = float(np.std(values, ddof=1))
    mean = float(np.mean(values))
    return {"mean": mean, "standard_deviation": spread, "lower": mean - 1.96 * spread / len(values) ** 0.5}


def run(*, device: str, quick: bool) -> dict:
    """Train with each seed; print accuracy and seconds, mean and standard deviation."""
    experiment = prepared(device=device, quick=quick)
    seeds = range(FIRST_SEED, FIRST_SEED + (QUICK_SEEDS if quick else NUM_SEEDS))
    train(experiment)
    found = [train(replace(experiment, seed=seed)) for seed in seeds]
    seconds, accuracies = (list(values) for values in zip(*found, strict=True))
    accuracy, time_taken = summary(accuracies), summary(seconds)
    row = (
        f"{RECIPE}, {SETTING}",
        str(len(seeds)),
        f"{accuracy['mean']:.3%}",
        f"{accuracy['standard_deviation']:.3%}",
        f"{accuracy['lower']:.3%}",
        *(format_seconds(time_taken[name]) for name in ("mean", "standard_deviation")),
    )
    head = ("", "seeds", "accuracy", "its deviation", "mean - 1.96 s/sqrt(n)", "training", "its deviation")
    heading = f"{device}, {len(experiment.splits.train[1]):,} images of {experiment.splits.source}"
    table = Table(f"{RECIPE} on test images", heading, [head, row], [QUICK] * quick)
    print(table)
    return {
        "environment": environment(device, experiment.setting.precision, {"first": FIRST_SEED}),
        "comparisons": {},
        "tables": [table.to_dict()],
        "accuracies_of_seeds": accuracies,
        "seconds_of_seeds": seconds,
        "accuracy": accuracy,
        "seconds": time_taken,
    }


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
