"""Curves over the epochs of a training."""

from typing import TYPE_CHECKING

from practicezoo.plotting._extra import needs_matplotlib
from practicezoo.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_history"]


def plot_history(history: History, *names: str, ax: "Axes | None" = None) -> "Axes":
    """Draw values of a history over its epochs, the best epoch marked.

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
        >>> history = History()
        >>> history.append({"val_accuracy": 0.5})
        >>> plot_history(history).get_ylabel()
        'val_accuracy'
    """
    with needs_matplotlib():
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415
    if len(history) == 0:
        raise ValueError("history must have at least one epoch to draw, got none")
    accuracies = [name for name in history if name.endswith("accuracy")]
    names = names or tuple(accuracies or [name for name in history if name.endswith("loss")])
    if ax is None:
        ax = Figure(figsize=(6.4, 4.0), layout="constrained").add_subplot()
    for name in names:
        (line,) = ax.plot(history.epochs, history[name], marker=".", label=name)
        best = history.best(name)
        ax.plot(*best, marker="o", markersize=9, fillstyle="none", color=line.get_color())
        ax.annotate(
            f"{best.value:.4g} at epoch {best.epoch}",
            best,
            xytext=(0, 10),
            textcoords="offset points",
            ha="right" if best.epoch > len(history) / 2 else "left",
            color=line.get_color(),
        )
    kinds = {name.rsplit("_", maxsplit=1)[-1] for name in names}
    ax.set(xlabel="epoch", ylabel=names[0] if len(names) == 1 else "/".join(sorted(kinds)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(y=0.15)
    ax.grid(visible=True, alpha=0.3)
    if len(names) > 1:
        ax.legend()
    return ax
