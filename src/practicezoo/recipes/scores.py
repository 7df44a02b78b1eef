"""What a predictor reaches on a recipe's test data."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from practicezoo.data import TensorLoader
from practicezoo.metrics import confusion_matrix
from practicezoo.metrics.calibration import reliability, wilson_interval
from practicezoo.predictors import Predictor
from practicezoo.recipes.recipe import Recipe, Splits
from practicezoo.sequences import PaddedSequence
from practicezoo.training import predict

__all__ = ["logits_of", "score"]


def logits_of(
    predictor: Predictor, splits: Splits, rows: tuple[Tensor | PaddedSequence, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Logits ``(N, C)`` and class indices ``(N,)`` of rows of the data, in their order.

    Args:
        predictor: the network.
        splits: the data.
        rows: inputs and targets; default: the test data.
    """
    inputs, targets = rows or splits.test
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
    calibrated = reliability(logits / predictor.temperature, targets)
    figures = {
        **recipe.measure(predictor.model, splits),
        "num_samples": len(targets),
        "num_right": right,
        "interval": list(wilson_interval(right, len(targets))),
        "calibration_error": calibrated.error,
        "calibration_error_without": reliability(logits, targets).error,
        "reliability": asdict(calibrated),
        "per_class": per_class,
        "confusion": counts.tolist(),
    }
    unseen = splits.extra.get("unseen")
    if unseen is not None and unseen.any():
        right_unseen = int((predicted == targets)[unseen].sum())
        figures["num_unseen"] = int(unseen.sum())
        figures["interval_unseen"] = list(wilson_interval(right_unseen, figures["num_unseen"]))
    return figures
