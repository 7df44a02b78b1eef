"""A mean over many updates, without a host read in each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from practicezoo.metrics.loss import weighted

__all__ = ["RunningMean"]

MOST_WAITING = 64  # few enough to keep, many enough to make their sum cost next to nothing


class RunningMean:
    """Adds up the losses of many updates, in stacks: three operations on each would show in a fast loop."""

    def __init__(self, loss_sum: Tensor | float = 0.0, weight: Tensor | float = 0) -> None:
        self._loss_sum = loss_sum
        self._weight = weight
        self._waiting: list[tuple[Tensor, Tensor | float]] = []

    def add(self, loss: Tensor, weight: Tensor | float) -> None:
        """Count in a mean loss and what it weighs; nothing is read from the device."""
        self._waiting.append((loss, weight))
        if len(self._waiting) == MOST_WAITING:
            self.totals()

    def mean(self) -> float:
        """The mean so far; reads the device."""
        loss_sum, weight = self.totals()
        return float(loss_sum / weight)

    def totals(self) -> tuple[Tensor | float, Tensor | float]:
        """The loss summed over items, and what a mean divides it by."""
        if self._waiting:
            losses, weights = zip(*self._waiting, strict=True)
            self._waiting = []
            stack = _stacked(weights, losses[0].device)
            self._loss_sum = self._loss_sum + weighted(torch.stack(losses), stack).sum()
            self._weight = self._weight + stack.sum()
        return self._loss_sum, self._weight


def _stacked(weights: Sequence[Tensor | float], device: torch.device) -> Tensor:
    """The weights as one tensor; plain numbers go to the device, whatever the default one is."""
    if not any(isinstance(weight, Tensor) for weight in weights):
        return torch.tensor(weights, device=device)
    return torch.stack(
        [each if isinstance(each, Tensor) else torch.tensor(each, device=device) for each in weights]
    )
