"""What a predictor reaches on a recipe's test data."""

from typing import Any

import torch
from torch import Tensor

from practicezoo.data import TensorLoader
from practicezoo.metrics import confusion_matrix
from practicezoo.metrics.calibration import best_temperature, calibration_error, wilson_interval
from practicezoo.predictors import Predictor
from practicezoo.recipes.recipe import Recipe, Splits
from practicezoo.training import predict

__all__ = ["fit_temperature", "logits_of", "score"]

NUM_CALIBRATING = 1000  # test samples, below which no temperature is fitted


def logits_of(predictor: Predictor, splits: Splits) -> tuple[Tensor, Tensor]:
    """Logits ``(N, C)`` and class indices ``(N,)`` of all test data, in its order."""
    inputs, targets = splits.test
    logits = predict(
        predictor.model, TensorLoader(inputs, targets, batch_size=1000, transform=splits.transform)
    )
    if logits.shape[1] == 1:  # the logit of the second of two classes
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return logits, targets.flatten().long()


def score(recipe: Recipe, predictor: Predictor, splits: Splits) -> dict[str, Any]:
    """A predictor's figures on a recipe's test data, in types that JSON has."""
    logits, targets = logits_of(predictor, splits)
    predicted = logits.argmax(dim=1)
    right = int((predicted == targets).sum())
    counts = confusion_matrix(logits, targets, num_classes=len(predictor.classes))
    hits, of_class, as_class = counts.diag().tolist(), counts.sum(dim=1).tolist(), counts.sum(dim=0).tolist()
    per_class = {
        label: {"count": of_class[index], "right": hits[index], "predicted": as_class[index]}
        for index, label in enumerate(predictor.classes)
    }
    figures = {
        **recipe.measure(predictor.model, splits),
        "num_samples": len(targets),
        "num_right": right,
        "interval": list(wilson_interval(right, len(targets))),
        "calibration_error": calibration_error(logits / predictor.temperature, targets),
        "per_class": per_class,
        "confusion": counts.tolist(),
    }
    unseen = splits.extra.get("unseen")
    if unseen is not None and unseen.any():
        right_unseen = int((predicted == targets)[unseen].sum())
        figures["num_unseen"] = int(unseen.sum())
        figures["interval_unseen"] = list(wilson_interval(right_unseen, figures["num_unseen"]))
    return figures


def fit_temperature(logits: Tensor, targets: Tensor) -> dict[str, float] | None:
    """The temperature that is best on the even rows, if it makes the odd rows' calibration better.

    Returns:
        The temperature, and the odd rows' calibration error without and with it; None if it does not help,
        or there are too few rows.
    """
    if len(targets) < NUM_CALIBRATING:
        return None
    temperature = best_temperature(logits[::2], targets[::2])
    before = calibration_error(logits[1::2], targets[1::2])
    after = calibration_error(logits[1::2] / temperature, targets[1::2])
    if after >= before:
        return None
    return {"temperature": temperature, "error_without": before, "error_with": after}
