"""Confusion matrices."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from practicezoo.metrics.confusion import confusion_matrix, predicted_classes
from practicezoo.plotting.extra import new_axes
from practicezoo.plotting.text import INK, LETTER, TRUE_INK, WRONG_INK, legible, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_names", "plot_confusion_matrix"]

MAX_NUMBERS = 20  # classes; beyond, numbers would be too small to read
MAX_WIDTH = 24  # letters of a class name


def plot_confusion_matrix(
    outputs: Tensor,
    targets: Tensor,
    *,
    classes: Sequence[str] | None = None,
    normalize: bool = False,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw which classes are taken for which: a row for each true class, a column for each predicted one.

    What is right is blue, on the diagonal; mistakes are red. Both are shaded by their fraction of the row, so
    that rare classes show as frequent ones do; the darkest red is the greatest fraction of mistakes, however
    small. Scales beside the matrix are the key to the shades; up to 20 classes have their numbers in the
    cells (none where nothing is).

    Args:
        outputs: what :func:`~practicezoo.predict` returned, or the indices of predicted classes.
        targets: the indices of the true classes.
        classes: names of the classes, in the order of their indices; default: the indices.
        normalize: whether the numbers are fractions of the row in percent, rather than counts.
        ax: where to draw; default: a new figure.

    Shape:
        - outputs, targets: as in :func:`~practicezoo.training.confusion_matrix`

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: if the shapes do not fit, an index is no class, there is no target, or ``classes`` are not
            as many as the logits.

    Example:
        >>> import torch
        >>> logits, targets = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]]), torch.tensor([0, 1, 1])
        >>> ax = plot_confusion_matrix(logits, targets, classes=["cat", "dog"])
        >>> [label.get_text() for label in ax.get_xticklabels()]
        ['cat', 'dog']
    """
    if classes is not None:
        check_names(classes, predicted_classes(outputs, targets)[1])
    counts = confusion_matrix(outputs, targets, num_classes=None if classes is None else len(classes))
    num_classes = len(counts)
    names = [str(index) for index in range(num_classes)] if classes is None else classes
    labels, font = legible(shorten(name, MAX_WIDTH) for name in names)
    has_numbers = num_classes <= MAX_NUMBERS
    if ax is None:
        room = 0.5 + LETTER * width_of(labels)  # inches beside the matrix
        side = max(2.5, num_classes * (0.45 if has_numbers else 0.17))
        ax = new_axes(side + room + 1.9, side + room)
    _draw_cells(ax, counts, has_numbers=has_numbers, normalize=normalize)
    if not has_numbers:
        font["fontsize"] = 7
    ax.set_yticks(range(num_classes), labels, **font)
    if width_of(labels) > 2:  # wider than a cell
        font |= {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(num_classes), labels, **font)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0)
    ax.spines[:].set_color("#cccccc")
    return ax


def _draw_cells(ax: "Axes", counts: Tensor, *, has_numbers: bool, normalize: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import StrMethodFormatter

    fractions = counts.double() / counts.sum(dim=1, keepdim=True).clamp(min=1)
    is_right = torch.eye(len(counts), dtype=torch.bool)
    highest = {True: 1.0, False: float(fractions.masked_fill(is_right, 0).max()) or 1.0}
    for right, color, meaning in ((True, TRUE_INK, "right"), (False, WRONG_INK, "mistaken")):
        drawn = fractions.masked_fill(is_right != right, math.nan)  # NaN is transparent
        colors = LinearSegmentedColormap.from_list(meaning, ["#ffffff", color])
        image = ax.imshow(drawn.numpy(), cmap=colors, vmin=0, vmax=highest[right])
        percent = StrMethodFormatter("{x:.0%}")
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, aspect=25, format=percent)
        bar.set_label(f"{meaning}, of the true class", fontsize=8)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
    if not has_numbers:
        return
    for row, column in counts.nonzero().tolist():
        fraction = float(fractions[row, column])
        text = f"{100 * fraction:.1f}" if normalize else f"{counts[row, column]}"
        ink = "white" if fraction > 0.5 * highest[row == column] else INK
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)


def check_names(classes: Sequence[str], num_logits: int | None) -> None:
    """Raise ValueError if there are not as many names as logits."""
    if len(classes) != (num_logits or len(classes)):
        raise ValueError(
            f"classes must name the {num_logits} classes of the outputs, got {len(classes)} names"
        )
