"""The names of measures: which there will be, and whether their lower or higher values are better."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

__all__ = ["Direction", "Measures", "Mode", "better", "check_mode", "direction_of", "known_direction"]

Mode = Literal["auto", "min", "max"]
Direction = Literal["min", "max"]

# last words of names, in lower case; all else has no direction that is known
LOWER = frozenset(
    [
        "loss",
        "error",
        "mae",
        "mse",
        "rmse",
        "mape",
        "smape",
        "msle",
        "perplexity",
        "entropy",
        "nll",
        "bce",
        "wer",
        "cer",
        "seconds",
        "hinge",
        "brier",
        "ece",
    ]
)
HIGHER = frozenset(
    [
        "accuracy",
        "acc",
        "precision",
        "recall",
        "f1",
        "fbeta",
        "auc",
        "auroc",
        "auprc",
        "ap",
        "map",
        "iou",
        "miou",
        "dice",
        "jaccard",
        "bleu",
        "rouge",
        "r2",
        "kappa",
        "mcc",
        "specificity",
        "sensitivity",
        "psnr",
        "ssim",
    ]
)


@dataclass(frozen=True)
class Measures:
    """The measures that a history will have; ``in`` tells whether a name may be one of its values.

    Attributes:
        single: names of single values.
        metrics: names of metrics, each with one value or with several: NAME_0, NAME_key.
    """

    single: tuple[str, ...]
    metrics: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.single or any(_is_of(name, metric) for metric in self.metrics)

    def __str__(self) -> str:
        return ", ".join([*self.single, *self.metrics])


def direction_of(
    name: str, *, mode: Mode = "auto", known: Mapping[str, Direction] | None = None
) -> Direction:
    """Whether the lower ("min") or the higher ("max") value of a measure is better.

    Args:
        name: the measure's name in the history.
        mode: what the user said; "auto" for nothing.
        known: directions of measures, from their ``higher_is_better``.

    Raises:
        ValueError: if ``mode`` is unknown, or "auto" and the direction is not known.
    """
    check_mode(mode)
    if mode != "auto":
        return mode
    direction = known_direction(name, known or {})
    if direction is None:
        raise ValueError(
            f"mode must be 'min' or 'max' for {name!r}, whose name does not tell whether lower is better, "
            "got 'auto'"
        )
    return direction


def known_direction(name: str, known: Mapping[str, Direction] = MappingProxyType({})) -> Direction | None:
    """The direction of a measure; None if nothing tells it.

    Args:
        name: the measure's name in the history: the metric's own, or one of its several columns.
        known: directions of measures, from their ``higher_is_better``; else the name's last word tells it,
            without regard to case.
    """
    told = (each for metric, each in known.items() if _is_of(name, metric))
    if (direction := next(told, None)) is not None:
        return direction
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if not word.isdecimal()]
    last = words[-1] if words else ""
    if last in LOWER or last.endswith(("loss", "error")):
        return "min"
    return "max" if last in HIGHER or last.endswith(("accuracy", "precision", "recall")) else None


def better(value: float, than: float, direction: Direction) -> bool:
    """Whether ``value`` is better than another."""
    return value < than if direction == "min" else value > than


def check_mode(mode: str) -> None:
    """Raise ValueError if ``mode`` is unknown."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")


def _is_of(name: str, metric: str) -> bool:
    """Whether a value's name is a metric's own, or that of one of its several values."""
    return f"{name}_".startswith(f"{metric}_")
