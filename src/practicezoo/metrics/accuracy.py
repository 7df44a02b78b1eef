"""Measures over a whole data set: sums and counts, read once at the end."""

import torch
from torch import Tensor

from practicezoo.runtime.collectives import sum_over_ranks

__all__ = ["Accuracy"]


class Accuracy:
    """The share of targets that the outputs get right, from 0 to 1.

    A target that is no class of the outputs, such as -100 without ``ignore_index``, counts as wrong:
    looking for it would make every batch wait. A criterion beside the metric finds it.

    Args:
        ignore_index: targets of this value do not count.

    Shape:
        - outputs: logits ``(N, C, ...)`` with targets ``(N, ...)`` of class indices; or, for two
          classes, logits of the same shape as the targets, which are 0 or 1
        - the value of ``compute()``: a scalar tensor, float64, on the CPU

    Raises:
        ValueError: if the shapes fit neither, or ``compute`` is called before any target was counted.

    Example:
        >>> accuracy = Accuracy()
        >>> accuracy.update(torch.tensor([[0.1, 2.0], [3.0, 1.0]]), torch.tensor([1, 1]))
        >>> accuracy.compute().item()
        0.5
    """

    def __init__(self, *, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        self._right: Tensor | int = 0
        self._count: Tensor | int = 0

    def update(self, outputs: Tensor, targets: Tensor, /) -> None:
        """Count a batch in; nothing is read from the device."""
        if outputs.shape == targets.shape:
            predicted = (outputs > 0).to(targets.dtype)
        elif (
            outputs.ndim == targets.ndim + 1
            and outputs.shape[1] > 1
            and outputs.shape[:1] + outputs.shape[2:] == targets.shape
        ):
            predicted = outputs.argmax(dim=1)
        else:
            raise ValueError(
                "outputs must be logits (N, C, ...) with C > 1 for targets (N, ...), "
                f"or have the targets' shape; got {tuple(outputs.shape)} and {tuple(targets.shape)}"
            )
        right = predicted == targets
        if self.ignore_index is None:
            self._count = self._count + targets.numel()
        else:
            counted = targets != self.ignore_index
            right = right & counted
            self._count = self._count + counted.sum()
        self._right = self._right + right.sum()

    def compute(self) -> Tensor:
        """The share of right targets since the last reset, on all ranks together."""
        right, count = sum_over_ranks(self._right, self._count)
        if count == 0:
            raise ValueError("accuracy must have counted at least one target, got none")
        return torch.as_tensor(right).cpu().double() / int(count)

    def reset(self) -> None:
        """Start counting anew."""
        self._right = self._count = 0
