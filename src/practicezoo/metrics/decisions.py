"""Which class the outputs of a model decide for; the one rule of accuracy and confusion matrices."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Decision", "decide"]


class Decision(NamedTuple):
    """What outputs decide for.

    Attributes:
        predicted: the class of each target, in the targets' shape; the ``top_k`` likeliest ``(k, ...)``.
        num_classes: how many classes there are.
        is_binary: whether each decision is between 0 and 1.
    """

    predicted: Tensor
    num_classes: int
    is_binary: bool


def decide(outputs: Tensor, targets: Tensor, *, top_k: int = 1, threshold: float | None = None) -> Decision:
    """Decide by shape and type; what has two readings is refused.

    - Scores ``(N, C, ...)`` with C > 1 and class indices ``(N, ...)``: the greatest score, or the ``top_k``
      greatest.
    - One column of floats, ``(N,)`` or ``(N, 1)``, and targets of that shape: binary logits, 1 above 0, or
      above ``threshold``.
    - Any other shape that outputs and targets share: a decision for each element, with ``threshold`` only.

    Raises:
        TypeError: if outputs or targets are no tensors, or outputs are not floating point.
        ValueError: if the shapes do not fit, ``threshold`` is missing, or ``top_k`` does not fit.
    """
    for name, value in (("outputs", outputs), ("targets", targets)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not outputs.is_floating_point():
        raise TypeError(
            f"outputs must be floating-point scores, got {outputs.dtype}: give the model's logits, not the "
            "classes that were chosen from them"
        )
    if outputs.shape == targets.shape:
        return _decide_elements(outputs, top_k, threshold)
    is_scores = outputs.ndim == targets.ndim + 1 and outputs.ndim > 1 and outputs.shape[1] > 1
    if not is_scores or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise ValueError(
            "outputs must be logits (N, C, ...) with C > 1 for targets (N, ...), "
            f"or have the targets' shape; got {tuple(outputs.shape)} and {tuple(targets.shape)}"
        )
    if targets.is_floating_point():
        raise TypeError(f"targets must be class indices (integers), got {targets.dtype}")
    if threshold is not None:
        raise ValueError(f"threshold must be None for scores of several classes, got {threshold}")
    num_classes = outputs.shape[1]
    if top_k > num_classes:
        raise ValueError(f"top_k must be at most the {num_classes} classes, got {top_k}")
    if top_k == 1:
        return Decision(outputs.argmax(dim=1), num_classes, is_binary=False)
    return Decision(outputs.topk(top_k, dim=1).indices.movedim(1, 0), num_classes, is_binary=False)


def _decide_elements(outputs: Tensor, top_k: int, threshold: float | None) -> Decision:
    if top_k > 1:
        raise ValueError(f"top_k must be 1 where each decision is between two classes, got {top_k}")
    is_one_column = outputs.ndim == 1 or (outputs.ndim == 2 and outputs.shape[1] == 1)
    if threshold is None and not is_one_column:
        shape = tuple(outputs.shape)
        raise ValueError(
            f"outputs and targets share the shape {shape}, which has two readings: for one class per sample "
            "give class indices as targets (targets.argmax(dim=1)), for a decision on each element set "
            "threshold (0.0 for logits, 0.5 for probabilities)"
        )
    above = outputs > (0.0 if threshold is None else threshold)
    return Decision(above.to(torch.int64), 2, is_binary=True)
