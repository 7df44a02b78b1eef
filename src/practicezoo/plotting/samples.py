"""The samples that a model got most wrong."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from practicezoo.arguments import check_count
from practicezoo.metrics.confusion import check_classes
from practicezoo.plotting.confusion import check_names
from practicezoo.plotting.extra import new_axes
from practicezoo.plotting.text import LETTER, TRUE_INK, WRONG_INK, legible, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_most_wrong"]

MAX_WIDTH = 18  # letters of a class name
TEXT_WIDTH = 28  # of a sample that is a text
GAP = 0.12  # between images, of an image's width
LINE = 0.18  # inches, for a line of text under an image
TITLE = 0.25  # inches
BAR = 3.2  # inches, for a probability of 1


class Verdict(NamedTuple):
    """A mistake: the classes' names with their probabilities."""

    true: str
    predicted: str
    true_probability: float
    predicted_probability: float

    def lines(self) -> list[tuple[str, float, str]]:
        """Lines of text with their probabilities and colors."""
        return [
            (self.predicted, self.predicted_probability, WRONG_INK),
            (self.true, self.true_probability, TRUE_INK),
        ]


def plot_most_wrong(
    outputs: Tensor,
    targets: Tensor,
    samples: Tensor | Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    num_samples: int = 9,
    cmap: str = "gray",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the mistakes in which the model gave the true class the least probability, the worst first.

    With each stand its predicted class, red, and the true one, blue, with their probabilities. Where there
    are fewer mistakes than ``num_samples``, they alone are drawn and a line says how many there are.

    Args:
        outputs: what :func:`~practicezoo.predict` returned.
        targets: the indices of the true classes.
        samples: what was predicted for, in the same order: images, or texts such as names. Images are drawn
            as they are if they are uint8 or lie in [0, 1], else each from its least value to its greatest.
        classes: names of the classes, in the order of their indices; default: the indices.
        num_samples: how many mistakes to draw at most.
        cmap: matplotlib's name of the colours for images of one channel, such as "gray_r" for dark on light.
        ax: where to draw; default: a new figure.

    Shape:
        - outputs: logits ``(N, C)``, or ``(N,)`` or ``(N, 1)`` for two classes
        - targets: ``(N,)``, or the shape of the logits
        - samples: images ``(N, 1, H, W)``, ``(N, 3, H, W)`` or ``(N, H, W)``, or N texts

    Returns:
        The axes; ``ax.figure.savefig(...)`` writes them.

    Raises:
        ImportError: if matplotlib is missing.
        TypeError: if ``samples`` are neither images nor texts, or ``outputs`` are no logits.
        ValueError: if shapes or numbers do not fit, an index is no class, there is no sample, or
            ``num_samples`` is below 1.

    Example:
        >>> logits, targets = torch.tensor([[3.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
        >>> ax = plot_most_wrong(logits, targets, ["Li", "Novak"], classes=["Chinese", "Czech"])
        >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_title()
        (['Novak'], 'the one mistake')
    """
    check_count(num_samples=num_samples)
    probabilities, targets = _probabilities(outputs, targets)
    num_classes = probabilities.shape[1]
    if classes is not None:
        check_names(classes, num_classes)
    check_classes("targets", targets, num_classes)
    if len(samples) != len(targets):
        raise ValueError(f"samples must be as many as the targets, got {len(samples)} and {len(targets)}")
    names = [str(index) for index in range(num_classes)] if classes is None else classes
    labels, font = legible(shorten(name, MAX_WIDTH) for name in names)
    of_true = probabilities.gather(1, targets[:, None])[:, 0]
    wrong = probabilities.argmax(dim=1) != targets
    worst = of_true.argsort(stable=True)
    worst = worst[wrong[worst]][:num_samples]
    verdicts = []
    for index in worst.tolist():
        true, predicted = int(targets[index]), int(probabilities[index].argmax())
        shown = float(of_true[index]), float(probabilities[index, predicted])
        verdicts.append(Verdict(labels[true], labels[predicted], *shown))
    if not verdicts:
        return _draw_none(len(targets), ax)
    if isinstance(samples, Tensor):
        ax = _draw_images(_as_images(samples, worst), verdicts, font, cmap, ax)
    else:
        texts = [samples[index] for index in worst.tolist()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"samples must be a tensor of images or texts, got {type(texts[0]).__name__}")
        ax = _draw_texts(texts, verdicts, font, ax)
    ax.set_title("predicted", loc="left", color=WRONG_INK, fontsize=9)
    ax.set_title("true", loc="right", color=TRUE_INK, fontsize=9)
    if len(verdicts) < num_samples:
        ax.set_title(
            f"all {len(verdicts)} mistakes" if len(verdicts) > 1 else "the one mistake", fontsize=9, pad=20
        )
    return ax


def _draw_none(num_samples: int, ax: "Axes | None") -> "Axes":
    ax = new_axes(3.2, 1) if ax is None else ax
    text = f"no mistake in {num_samples:,} samples"
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()
    return ax


def _draw_images(
    images: Tensor, verdicts: Sequence[Verdict], font: dict[str, Any], cmap: str, ax: "Axes | None"
) -> "Axes":
    captions = [
        [(f"{text}  {_percent(probability)}", ink) for text, probability, ink in verdict.lines()]
        for verdict in verdicts
    ]
    widest = width_of([text for lines in captions for text, _ in lines])
    width = max(1.1, 0.85 * LETTER * widest)  # everything in inches
    height = width * images.shape[1] / images.shape[2]
    num_columns = math.ceil(math.sqrt(len(images)))
    num_rows = math.ceil(len(images) / num_columns)
    step_x, step_y = width + GAP, height + 2 * LINE + GAP
    ax = new_axes(num_columns * step_x, num_rows * step_y + TITLE) if ax is None else ax
    for place, (image, lines) in enumerate(zip(images, captions, strict=True)):
        left, top = place % num_columns * step_x, -(place // num_columns) * step_y
        extent = (left, left + width, top - height, top)
        ax.imshow(image.numpy(), cmap=cmap, vmin=0, vmax=1, extent=extent)
        for number, (text, ink) in enumerate(lines):
            y = top - height - (number + 0.6) * LINE
            ax.text(left + width / 2, y, text, color=ink, ha="center", va="center", fontsize=9, **font)
    ax.set(xlim=(-GAP / 2, num_columns * step_x - GAP / 2), ylim=(-num_rows * step_y + GAP / 2, GAP / 2))
    ax.set_axis_off()
    return ax


def _draw_texts(
    texts: Sequence[str], verdicts: Sequence[Verdict], font: dict[str, Any], ax: "Axes | None"
) -> "Axes":
    shown, text_font = legible(shorten(text, TEXT_WIDTH) for text in texts)
    widest = width_of([line[0] for verdict in verdicts for line in verdict.lines()])
    room = LETTER * (widest + 6) / BAR  # behind the longest bar
    if ax is None:
        ax = new_axes(BAR * (1 + room) + LETTER * width_of(shown) + 0.3, 0.5 * len(texts) + 0.6 + TITLE)
    for row, verdict in enumerate(verdicts):
        lines = verdict.lines()
        for number, (text, probability, ink) in enumerate(lines):
            y = row + 0.36 * (number - (len(lines) - 1) / 2)
            ax.barh(y, probability, height=0.32, color=ink, alpha=0.85)
            caption = f"{text}  {_percent(probability)}"
            ax.text(probability + 0.015, y, caption, color=ink, va="center", fontsize=9, **font)
    ax.set_yticks(range(len(shown)), shown, **text_font)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set(xlim=(0, 1 + room), ylim=(len(texts) - 0.4, -0.6), xlabel="probability")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 1)
    return ax


def _probabilities(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (N, C) and class indices (N,), on the CPU."""
    if not outputs.is_floating_point():
        raise TypeError(f"outputs must be logits, got {outputs.dtype}")
    outputs, indices = outputs.cpu().double(), targets.cpu().flatten().long()
    if len(indices) == 0:
        raise ValueError("targets must hold at least one class index, got none")
    rows = len(indices)
    if outputs.shape == (rows,) or (outputs.shape == (rows, 1) and targets.shape in {(rows,), (rows, 1)}):
        likely = outputs.flatten().sigmoid()
        return torch.stack([1 - likely, likely], dim=1), indices
    if outputs.shape[:1] + outputs.shape[2:] == targets.shape == (rows,):
        return outputs.softmax(dim=1), indices
    raise ValueError(
        "outputs must be logits (N, C) for targets (N,), or (N,) or (N, 1) for two classes, "
        f"got {tuple(outputs.shape)} and {tuple(targets.shape)}"
    )


def _as_images(samples: Tensor, rows: Tensor) -> Tensor:
    """These rows as images (N, H, W) or (N, H, W, 3) in [0, 1], on the CPU."""
    images = samples[rows.to(samples.device)].cpu()
    if images.ndim == 3:  # (N, H, W)
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in {1, 3}:
        raise ValueError(
            f"samples must be images (N, 1, H, W), (N, 3, H, W) or (N, H, W), got {tuple(samples.shape)}"
        )
    images = images.movedim(1, -1)
    if images.dtype == torch.uint8:
        images = images / 255
    elif images.min() < 0 or images.max() > 1:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        images = (images - low) / (high - low).clamp(min=1e-12)
    return images.squeeze(-1).float()


def _percent(probability: float) -> str:
    if 0 < probability < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"
