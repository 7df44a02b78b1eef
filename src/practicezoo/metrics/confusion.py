"""Which classes are taken for which."""

import torch
from torch import Tensor

__all__ = ["check_classes", "confusion_matrix", "predicted_classes"]


def confusion_matrix(outputs: Tensor, targets: Tensor, *, num_classes: int | None = None) -> Tensor:
    """Count the targets of each class by the class that was predicted for them.

    Args:
        outputs: logits, or indices of predicted classes.
        targets: indices of the true classes.
        num_classes: how many classes there are; default: as many as there are logits, or as the indices need.

    Shape:
        - outputs: logits ``(N, C, ...)``; for two classes also logits of the targets' shape; or class indices
          of the targets' shape
        - targets: ``(N, ...)``
        - the result: ``(C, C)``, int64, a row for each true class, a column for each predicted one

    Raises:
        ValueError: if the shapes do not fit, there is no target, ``num_classes`` is not the number of logits,
            or an index is no class.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
        tensor([[1, 1],
                [0, 1]])
    """
    predicted, num_logits = predicted_classes(outputs, targets)
    predicted, targets = predicted.flatten().cpu(), targets.flatten().cpu().long()
    if len(targets) == 0:
        raise ValueError("targets must hold at least one class index, got none")
    if num_classes is None:
        num_classes = num_logits or int(torch.maximum(predicted, targets).max()) + 1
    elif num_classes != (num_logits or num_classes):
        raise ValueError(f"num_classes must be {num_logits}, as there are logits, got {num_classes}")
    check_classes("outputs", predicted, num_classes)
    check_classes("targets", targets, num_classes)
    counts = torch.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def predicted_classes(outputs: Tensor, targets: Tensor) -> tuple[Tensor, int | None]:
    """The index of the likeliest class for each target, and how many classes there are logits for.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if outputs.shape == targets.shape:
        if targets.ndim > 1 and targets.shape[1] > 2 and _is_one_hot(targets):
            raise ValueError("targets must be class indices, got one-hot rows: give targets.argmax(dim=1)")
        return ((outputs > 0).long(), 2) if outputs.is_floating_point() else (outputs.long(), None)
    if (
        outputs.ndim == targets.ndim + 1
        and outputs.shape[1] > 1
        and outputs.shape[:1] + outputs.shape[2:] == targets.shape
    ):
        return outputs.argmax(dim=1), outputs.shape[1]
    raise ValueError(
        "outputs must be logits (N, C, ...) with C > 1 for targets (N, ...), "
        f"or have the targets' shape; got {tuple(outputs.shape)} and {tuple(targets.shape)}"
    )


def _is_one_hot(targets: Tensor) -> bool:
    """Whether each row has one 1 among zeros."""
    is_binary = ((targets == 0) | (targets == 1)).all()
    return len(targets) > 0 and bool(is_binary and (targets.sum(dim=1) == 1).all())


def check_classes(argument: str, indices: Tensor, num_classes: int) -> None:
    """Raise ValueError for the first index that is no class."""
    wrong = (indices < 0) | (indices >= num_classes)
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise ValueError(
            f"{argument} must be classes in [0, {num_classes}), got {int(indices[place])} at index {place}"
        )
