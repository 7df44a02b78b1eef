"""The curve of a learning rate range test."""

from typing import TYPE_CHECKING

from practicezoo.plotting.extra import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from practicezoo.training.learning_rate import LearningRateCurve

__all__ = ["plot_learning_rate"]


def plot_learning_rate(curve: "LearningRateCurve", *, ax: "Axes | None" = None) -> "Axes":
    """Draw the loss over the learning rate, each batch's faint and the smoothed one over it.

    The loss axis ends as far above the first loss as the least is below it: what diverges leaves the picture.

    Args:
        curve: what :func:`~practicezoo.training.find_learning_rate` returned.
        ax: where to draw; default: a new figure.

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.

    Example:
        >>> from practicezoo.training import LearningRateCurve
        >>> curve = LearningRateCurve((0.001, 0.01, 0.1, 1.0), (2.0, 1.8, 0.3, 0.2))
        >>> plot_learning_rate(curve).get_xscale()
        'log'
    """
    ax = new_axes() if ax is None else ax
    smoothed = curve.smoothed
    (line,) = ax.plot(curve.learning_rates, smoothed, label="smoothed")
    ax.plot(
        curve.learning_rates, curve.losses, color=line.get_color(), alpha=0.3, zorder=1, label="of a batch"
    )
    if curve.suggestion is not None:
        loss = smoothed[curve.learning_rates.index(curve.suggestion)]
        ax.plot(curve.suggestion, loss, "o", color="C3", label=f"steepest at {curve.suggestion:.2g}")
        gain = smoothed[0] - min(*smoothed, *curve.losses)
        ax.set_ylim(smoothed[0] - 1.1 * gain, min(smoothed[0] + gain, ax.get_ylim()[1]))
    ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
    ax.grid(visible=True, alpha=0.3)
    ax.legend()
    return ax
