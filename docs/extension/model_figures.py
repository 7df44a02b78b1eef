"""What a model looks like, and where it is most wrong, for its page."""

import csv
from typing import Any

import numpy as np
import torch

from extension.pages import ROOT, figure
from practicezoo import create_model, load
from practicezoo.plotting import draw_block, plot_most_wrong
from practicezoo.weights import Weights

SLICE = ROOT / "tests" / "slice"  # of the test data, in a checkout
SOURCES = {"image": "MNIST's test images (CC BY-SA 3.0)", "text": "the course's test names"}


def architecture(weights: Weights, example: Any) -> str:
    """The network, a box for each block."""
    name = f"models/{weights.model}-network.svg"
    model = create_model(weights.model, **weights.config)
    ax = draw_block(model, example, depth=0)
    return figure(ax, name, f"What {weights.model} computes, block by block", "One box for each block.")


def most_wrong(weights: Weights) -> str:
    """The worst mistakes on the slice of the test data that the tests hold."""
    kind = weights.preprocessing["kind"]
    if kind not in SOURCES or not weights.default or not SLICE.exists():
        return ""
    predictor = load(weights)
    samples, labels = {"image": _digits, "text": _names}[kind]()
    targets = torch.tensor([predictor.classes.index(label) for label in labels])
    inputs, *_ = predictor.preprocess.prepare(samples)
    logits = torch.stack(predictor.outputs(inputs))
    wrong = int((logits.argmax(dim=1) != targets).sum())
    told = f"{wrong} of {len(targets)}" if wrong else f"none of {len(targets)}"
    text = f"Of every 50th of {SOURCES[kind]}" if kind == "image" else f"Of a slice of {SOURCES[kind]}"
    text += f", {told} {'is' if wrong == 1 else 'are'} mistaken"
    if not wrong:
        return f"{text}.\n"
    images = torch.from_numpy(samples) if kind == "image" else samples
    ax = plot_most_wrong(logits, targets, images, classes=predictor.classes)
    name = f"models/{weights.model}-{weights.tag}-wrong.svg"
    shown = figure(ax, name, f"The worst mistakes of {weights}", "Red: what it says; blue: what is true.")
    return f"{text}:\n\n{shown}"


def _digits() -> tuple[np.ndarray, list[str]]:
    with np.load(SLICE / "mnist.npz") as arrays:
        return arrays["images"], [str(target) for target in arrays["targets"]]


def _names() -> tuple[list[str], list[str]]:
    with (SLICE / "names.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["name"] for row in rows], [row["country"] for row in rows]
