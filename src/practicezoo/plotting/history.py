"""Curves over the epochs of a training."""

import math
from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

from practicezoo.metrics.direction import known_direction
from practicezoo.plotting.extra import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from practicezoo.training.history import Best, History

__all__ = ["plot_histories", "plot_history"]

MAX_MARKERS = 50  # epochs that are told apart


def plot_history(history: "History", *names: str, ax: "Axes | None" = None) -> "Axes":
    """Draw values of a history over its epochs, the best epoch marked.

    The axis of losses is logarithmic if the greatest is more than a hundred times the least.

    Args:
        history: what :func:`~practicezoo.fit` returned.
        names: which values; default: every accuracy and loss.
        ax: where to draw; default: a new figure. Losses beside other values have an axis of their own on the
            right.

    Returns:
        The axes, those of the left; ``ax.figure.savefig(...)`` writes them.

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
    names = names or tuple(name for name in history if name.endswith(("accuracy", "loss")))
    losses = [name for name in names if name.endswith("loss")]
    both = 0 < len(losses) < len(names)
    axes = dict.fromkeys(names, ax)
    if both:
        right = ax.twinx()
        axes |= dict.fromkeys(losses, right)
        right.set_ylabel("loss" if len(losses) > 1 else losses[0])
    curves = []
    for place, name in enumerate(names):
        curves += _draw_curve(axes[name], history, name, color=f"C{place}", dashed=both and name in losses)
    left = [name for name in names if not (both and name in losses)]
    for some in [left, losses] if both else [left]:
        values = [value for name in some for value in history[name] if math.isfinite(value)]
        if all(known_direction(name) == "min" for name in some) and _spans(values, 100):
            axes[some[0]].set_yscale("log")
        axes[some[0]].margins(y=0.15)
    kinds = {name.rsplit("_", maxsplit=1)[-1] for name in left}
    ax.set(xlabel="epoch", ylabel=left[0] if len(left) == 1 else "/".join(sorted(kinds)))
    _whole_epochs(ax)
    if len(names) > 1:  # below the curves, with their best values: over them, two would collide
        columns = min(2, len(curves))
        ax.legend(
            handles=curves,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.15),
            ncols=columns,
            frameon=False,
            fontsize=9,
        )
    elif curves[0].get_label() != names[0]:
        _annotate(ax, history, names[0])
    return ax


def _draw_curve(ax: "Axes", history: "History", name: str, *, color: str, dashed: bool) -> "list[Line2D]":
    """One curve, its best epoch marked and told in its label."""
    has_best = known_direction(name, history.directions) is not None
    label = f"{name}: {_told(history.best(name))}" if has_best else name
    marker = "." if len(history) <= MAX_MARKERS else ""
    style = "--" if dashed else "-"
    curve = ax.plot(history.epochs, history[name], style, marker=marker, label=label, color=color)
    if has_best:
        ax.plot(*history.best(name), marker="o", markersize=9, fillstyle="none", color=color)
    return curve


def _annotate(ax: "Axes", history: "History", name: str) -> None:
    best = history.best(name)
    ha = "right" if best.epoch > 0.75 * len(history) else "left"
    ax.annotate(_told(best), best, xytext=(0, 10), textcoords="offset points", ha=ha, color="C0")


def _told(best: "Best") -> str:
    return f"{best.value:.4g} at epoch {best.epoch}"


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
