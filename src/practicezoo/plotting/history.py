"""Curves over the epochs of a training."""

import math
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from practicezoo.metrics.direction import known_direction
from practicezoo.plotting.extra import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from practicezoo.training.history import History

__all__ = ["plot_histories", "plot_history"]

MAX_MARKERS = 50  # epochs that are told apart


def plot_history(history: "History", *names: str, ax: "Axes | None" = None) -> "Axes":
    """Draw values of a history over its epochs, the best epoch marked.

    The axis of losses is logarithmic if the greatest is more than a hundred times the least.

    Args:
        history: what :func:`~practicezoo.fit` returned.
        names: which values; default: every accuracy, or every loss if there is none.
        ax: where to draw; default: a new figure.

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.
        KeyError: if the history lacks a name.
        ValueError: if the history has no epoch.

    Example:
        >>> from practicezoo import History
        >>> history = History()
        >>> history.append({"val_accuracy": 0.5})
        >>> plot_history(history).get_ylabel()
        'val_accuracy'
    """
    ax = new_axes() if ax is None else ax
    if len(history) == 0:
        raise ValueError("history must have at least one epoch to draw, got none")
    accuracies = [name for name in history if name.endswith("accuracy")]
    names = names or tuple(accuracies or [name for name in history if name.endswith("loss")])
    for name in names:
        marker = "." if len(history) <= MAX_MARKERS else ""
        (line,) = ax.plot(history.epochs, history[name], marker=marker, label=name)
        if (history.directions.get(name) or known_direction(name)) is None:
            continue  # none of the values is the best
        best = history.best(name)
        ax.plot(*best, marker="o", markersize=9, fillstyle="none", color=line.get_color())
        ax.annotate(
            f"{best.value:.4g} at epoch {best.epoch}",
            best,
            xytext=(0, 10),
            textcoords="offset points",
            ha="right" if best.epoch > 0.75 * len(history) else "left",
            color=line.get_color(),
        )
    values = [value for name in names for value in history[name] if math.isfinite(value)]
    if all(known_direction(name) == "min" for name in names) and _spans(values, 100):
        ax.set_yscale("log")
    kinds = {name.rsplit("_", maxsplit=1)[-1] for name in names}
    ax.set(xlabel="epoch", ylabel=names[0] if len(names) == 1 else "/".join(sorted(kinds)))
    _whole_epochs(ax)
    ax.margins(y=0.15)
    if len(names) > 1:
        ax.legend()
    return ax


def plot_histories(
    histories: Mapping[str, "History"], name: str = "train_loss", *, ax: "Axes | None" = None
) -> "Axes":
    """Draw one value of several histories over their epochs: who gets down fastest, and how far.

    The legend is in the order of the last values, best first, and tells them. The value's axis is
    logarithmic if all values are positive and the greatest is more than ten times the least. A history
    without an epoch, of a run that diverged at once, stands in the legend only.

    Args:
        histories: by name; what :func:`~practicezoo.training.compare_optimizers` returned.
        name: which value.
        ax: where to draw; default: a new figure.

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.
        KeyError: if a history lacks the name.
        ValueError: if no history has an epoch.

    Example:
        >>> from practicezoo import History
        >>> histories = {"SGD": History(), "Adam": History()}
        >>> for loss in (1.0, 0.5):
        ...     histories["SGD"].append({"train_loss": loss})
        ...     histories["Adam"].append({"train_loss": loss / 2})
        >>> [text.get_text() for text in plot_histories(histories).get_legend().get_texts()]
        ['Adam  0.25', 'SGD  0.5']
    """
    ax = new_axes() if ax is None else ax
    drawn = {label: history for label, history in histories.items() if len(history) > 0}
    if not drawn:
        raise ValueError("histories must have at least one epoch to draw, got none")
    values = [value for history in drawn.values() for value in history[name] if math.isfinite(value)]
    by_last_value = sorted(drawn, key=lambda label: drawn[label][name][-1])
    if known_direction(name) == "max":
        by_last_value.reverse()
    # solid and dashed in turn, so that a curve shows under one that covers it; twenty looks in all
    styles = cycle([*["-", "--"] * 5, *["--", "-"] * 5])
    for label, style in zip(by_last_value, styles, strict=False):
        history = drawn[label]
        ax.plot(history.epochs, history[name], style, label=f"{label}  {history[name][-1]:.4g}")
    for label in histories:
        if label not in drawn:
            ax.plot([], [], " ", label=f"{label}  diverged")
    if _spans(values, 10):
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=name)
    _whole_epochs(ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def _spans(values: list[float], factor: float) -> bool:
    """Whether values are positive and the greatest is more than ``factor`` times the least."""
    return bool(values) and min(values) > 0 and max(values) > factor * min(values)


def _whole_epochs(ax: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=True, alpha=0.3)
