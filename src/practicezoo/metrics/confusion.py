"""Which classes are taken for which."""

import torch
from torch import Tensor

from practicezoo.metrics.decisions import decide

__all__ = ["check_classes", "confusion_matrix", "predicted_classes"]


def confusion_matrix(
    outputs: Tensor, targets: Tensor, *, num_classes: int | None = None, threshold: float | None = None
) -> Tensor:
    """Count the targets of each class by the class that was predicted for them.

    Outputs are read as :class:`~practicezoo.Accuracy` reads them; indices of predicted classes are taken as
    well.

    Args:
        outputs: scores, or indices of predicted classes (integers).
        targets: indices of the true classes.
        num_classes: how many classes there are; default: as many as there are scores, or as the indices need.
        threshold: as in :class:`~practicezoo.Accuracy`.

    Shape:
        - outputs: scores ``(N, C, ...)``; binary logits ``(N,)`` or ``(N, 1)``; or class indices of the
          targets' shape
        - targets: ``(N, ...)``
        - the result: ``(C, C)``, int64, a row for each true class, a column for each predicted one

    Raises:
        TypeError: if the targets are not integers where scores of several classes are given.
        ValueError: if the shapes do not fit or have two readings, there is no target, ``num_classes`` is not
            the number of scores, or an index is no class.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
        tensor([[1, 1],
                [0, 1]])
    """
    predicted, num_scores = predicted_classes(outputs, targets, threshold=threshold)
    predicted, targets = predicted.flatten().cpu(), targets.flatten().cpu()
    if len(targets) == 0:
        raise ValueError("targets must hold at least one class index, got none")
    if not bool((targets == targets.long()).all()):
        raise ValueError("targets must be class indices, got fractions")
    targets = targets.long()
    if num_classes is None:
        num_classes = num_scores or int(torch.maximum(predicted, targets).max()) + 1
    elif num_classes != (num_scores or num_classes):
        raise ValueError(f"num_classes must be {num_scores}, as there are logits, got {num_classes}")
    check_classes("outputs", predicted, num_classes)
    check_classes("targets", targets, num_classes)
    counts = torch.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def predicted_classes(
    outputs: Tensor, targets: Tensor, *, threshold: float | None = None
) -> tuple[Tensor, int | None]:
    """The class that is predicted for each target, and how many classes there are scores for.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if outputs.shape == targets.shape and not outputs.is_floating_point() and not targets.is_floating_point():
        return outputs.long(), None
    decision = decide(outputs, targets, threshold=threshold)
    return decision.predicted, decision.num_classes


def check_classes(argument: str, indices: Tensor, num_classes: int) -> None:
    """Raise ValueError for the first index that is no class."""
    wrong = (indices < 0) | (indices >= num_classes)
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise ValueError(
            f"{argument} must be classes in [0, {num_classes}), got {int(indices[place])} at index {place}"
        )
