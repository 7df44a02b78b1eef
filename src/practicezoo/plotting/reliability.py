"""Reliability diagrams: how often answers are right, over how sure the network is of them."""

from typing import TYPE_CHECKING

from torch import Tensor

from practicezoo.metrics.calibration import Reliability, reliability, wilson_interval
from practicezoo.plotting.extra import new_axes
from practicezoo.plotting.text import INK, TRUE_INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_reliability", "plot_reliability"]

ROOM = 0.14  # below 0, for the numbers of samples


def plot_reliability(outputs: Tensor, targets: Tensor, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how often the likeliest class is right, over the probability that the network gives it.

    Answers are put in 15 bins by their probability. A bin's point stands at its mean probability and at the
    fraction that is right, with Wilson's interval of 95 %; below it is the number of answers. On the diagonal
    probabilities mean what they say; below it the network is too sure of itself, above it not sure enough.

    Args:
        outputs: logits, as :func:`~practicezoo.predict` returned them.
        targets: the indices of the true classes.
        ax: where to draw; default: a new figure.

    Shape:
        - outputs: ``(N, num_classes)``
        - targets: ``(N,)``

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the shapes do not fit, or there is no row.

    Example:
        >>> import torch
        >>> logits, targets = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]]), torch.tensor([0, 1, 1])
        >>> plot_reliability(logits, targets).get_xlabel()
        'probability of the answer'

    Source: Guo et al., On calibration of modern neural networks (arXiv:1706.04599).
    """
    return draw_reliability(reliability(outputs, targets), ax=ax)


def draw_reliability(found: Reliability, *, ax: "Axes | None" = None) -> "Axes":
    """Draw what :func:`~practicezoo.metrics.calibration.reliability` found."""
    ax = new_axes(5.2, 4.6) if ax is None else ax
    from matplotlib.ticker import PercentFormatter  # there is matplotlib where there are axes

    ax.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="as sure as right")
    bins = [
        (count, sure, right)
        for count, sure, right in zip(found.counts, found.confidence, found.accuracy, strict=True)
        if count
    ]
    counts, confidence, accuracy = zip(*bins, strict=True)
    ends = [wilson_interval(round(right * count), count) for count, _, right in bins]
    lower = [max(right - low, 0) for right, (low, _) in zip(accuracy, ends, strict=True)]
    upper = [max(high - right, 0) for right, (_, high) in zip(accuracy, ends, strict=True)]
    ax.errorbar(
        confidence,
        accuracy,
        yerr=[lower, upper],
        fmt="o",
        color=TRUE_INK,
        ecolor="#9db8d6",
        markersize=5,
        capsize=2,
        label="answers, 95 % interval",
    )
    for count, x in zip(counts, confidence, strict=True):
        ax.text(x, -0.02, f"{count:,}", rotation=90, ha="center", va="top", fontsize=7, color=INK)
    ax.set(xlim=(0, 1.03), ylim=(-ROOM, 1.03), xlabel="probability of the answer", ylabel="fraction right")
    ax.set_title(f"expected calibration error {found.error:.4f}", fontsize=10)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.grid(visible=True, alpha=0.3)
    ax.legend(loc="lower right", bbox_to_anchor=(1, ROOM), fontsize=8)  # above the numbers
    return ax
