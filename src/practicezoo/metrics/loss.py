"""What a batch's loss weighs among other batches: sums and counts behind a mean."""

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.batches import move_to, num_items

__all__ = ["Criterion", "as_sum", "loss_total", "loss_weight", "weighted"]

Criterion: TypeAlias = Callable[[Any, Any], Tensor]


def loss_weight(criterion: Criterion, targets: Any) -> Tensor | int:
    """What the criterion's mean over ``targets`` divides by: the batch's weight among other batches.

    - Cross entropy and NLL with class indices: the targets that are not ``ignore_index``, each
      counted with its class weight.
    - Cross entropy with class probabilities: the number of distributions.
    - ``reduction="batchmean"`` or ``"sum"``, and targets that are not one tensor: the number of items.
    - All else: the number of elements in ``targets``.

    Args:
        criterion: a loss module or function.
        targets: the targets of a batch.

    Raises:
        TypeError: if cross entropy or NLL get floating-point targets without a dimension of classes.

    Example:
        >>> loss_weight(nn.CrossEntropyLoss(ignore_index=0), torch.tensor([0, 3, 2]))
        tensor(2)
        >>> loss_weight(nn.MSELoss(), torch.zeros(4, 2))
        8
    """
    if not isinstance(targets, Tensor) or getattr(criterion, "reduction", None) in {"sum", "batchmean"}:
        return num_items(targets)
    if isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss):
        if targets.is_floating_point():
            if targets.ndim < 2:  # (N, C, ...)
                raise TypeError(
                    "targets must be class indices (int64) or class probabilities (N, C, ...), "
                    f"got {targets.dtype} of shape {tuple(targets.shape)}"
                )
            return targets.numel() // targets.shape[1]
        counted = targets != criterion.ignore_index
        class_weights = criterion.weight
        if class_weights is None:
            return counted.count_nonzero()
        # no index leads beyond the weights: the criterion is the one to refuse it
        indices = targets.clamp(0, len(class_weights) - 1)
        indices, counted = move_to((indices, counted), class_weights.device)
        return class_weights[indices].mul(counted).sum()
    return targets.numel()


def loss_total(criterion: Criterion, loss: Tensor, weight: Tensor | int) -> Tensor:
    """The sum over a batch's items behind ``loss``, the criterion's value for the batch."""
    if getattr(criterion, "reduction", None) == "sum":
        return _widened(loss)
    return weighted(loss, weight)


def weighted(mean: Tensor, weight: Tensor | float) -> Tensor:
    """The sum behind a mean, or sums behind means: zero where nothing was counted and the mean is NaN."""
    mean = _widened(mean)
    if isinstance(weight, Tensor):
        weights: Tensor = move_to(weight, mean.device)
        return (mean * weights).masked_fill(weights == 0, 0.0)
    return mean * weight if weight else torch.zeros_like(mean)


def _widened(loss: Tensor) -> Tensor:
    """A loss in float32 at least: a sum in bfloat16 soon stops growing."""
    return loss.float() if loss.dtype in {torch.bfloat16, torch.float16} else loss


def as_sum(criterion: Criterion) -> Criterion | None:
    """Cross entropy summed rather than averaged: its mean has no gradient where no target counts."""
    if not isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss) or criterion.reduction != "mean":
        return None
    summed = copy.copy(criterion)
    summed.reduction = "sum"
    return summed
