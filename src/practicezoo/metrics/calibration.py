"""How far probabilities and measured fractions can be trusted."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from practicezoo.arguments import check_count

__all__ = ["Reliability", "best_temperature", "calibration_error", "reliability", "wilson_interval"]

NUM_BINS = 15
Z = 1.959963984540054  # of a two-sided interval of 95 %
TEMPERATURES = 0.05, 20.0
GOLDEN = (math.sqrt(5) - 1) / 2


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The interval of 95 % for the probability behind ``right`` of ``count``.

    Args:
        right: how many were right.
        count: out of how many.

    Example:
        >>> low, high = wilson_interval(9, 10)
        >>> round(low, 3), round(high, 3)
        (0.596, 0.982)

    Source: Wilson, 1927, Probable inference, the law of succession, and statistical inference.
    """
    check_count(count=count)
    check_count(right=right, at_least=0)
    if right > count:
        raise ValueError(f"right must be at most count, got {right} of {count}")
    fraction, weight = right / count, Z**2 / count
    middle = (fraction + weight / 2) / (1 + weight)
    half = Z / (1 + weight) * math.sqrt(fraction * (1 - fraction) / count + weight / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Reliability:
    """How often answers are right, by how sure they are: a number for each of 15 bins of equal width.

    Attributes:
        counts: answers whose probability lies in the bin.
        confidence: their mean probability; 0 where there is none.
        accuracy: the fraction of them that is right; 0 where there is none.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy."""
        bins = zip(self.counts, self.confidence, self.accuracy, strict=True)
        return sum(count * abs(sure - right) for count, sure, right in bins) / sum(self.counts)


def reliability(logits: Tensor, targets: Tensor) -> Reliability:
    """How often the likeliest class is right, by the probability that it has.

    Args:
        logits: one for each class.
        targets: class indices.

    Shape:
        - logits: ``(N, C)``
        - targets: ``(N,)``

    Raises:
        ValueError: if the shapes do not fit, or there is no row.

    Example:
        >>> import torch
        >>> found = reliability(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        >>> found.counts.index(2), found.accuracy[13]  # both are in the bin of 87 to 93 %
        (13, 0.5)

    Source: Guo et al., On calibration of modern neural networks (arXiv:1706.04599).
    """
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or not len(targets):
        raise ValueError(
            "logits must be (N, C) and targets (N,) with at least one row, got "
            f"{tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    confidence, predicted = logits.detach().cpu().double().softmax(dim=1).max(dim=1)
    bins = (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    counts = bins.bincount(minlength=NUM_BINS)
    right = (predicted == targets.cpu()).double()
    sums = (bins.bincount(values, minlength=NUM_BINS) for values in (confidence, right))
    means = ((each / counts.clamp(min=1)).tolist() for each in sums)
    return Reliability(tuple(counts.tolist()), *map(tuple, means))


def calibration_error(logits: Tensor, targets: Tensor) -> float:
    """The expected calibration error: how far confidence and accuracy differ, over 15 bins of equal width.

    Shape:
        - logits: ``(N, C)``
        - targets: ``(N,)``, class indices

    Example:
        >>> import torch
        >>> calibration_error(torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        0.0

    Source: Guo et al., On calibration of modern neural networks (arXiv:1706.04599).
    """
    return reliability(logits, targets).error


def best_temperature(logits: Tensor, targets: Tensor) -> float:
    """What to divide logits by, so that the cross entropy is least.

    Shape:
        - logits: ``(N, C)``
        - targets: ``(N,)``, class indices

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
        >>> round(best_temperature(logits, torch.tensor([0, 0, 0, 1])), 2)  # three of four are right
        1.82

    Source: Guo et al., On calibration of modern neural networks (arXiv:1706.04599).
    """

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits.double() / math.exp(log_temperature), targets).item()

    low, high = (math.log(temperature) for temperature in TEMPERATURES)
    while high - low > 1e-4:  # golden section: the cross entropy has one valley
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)
