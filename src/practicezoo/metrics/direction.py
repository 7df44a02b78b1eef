"""Which of two values of a measure is better."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass

__all__ = ["Mode", "better", "check_mode", "smaller_is_better"]

SMALLER_IS_BETTER = ("loss", "error", "mae", "mse", "rmse", "perplexity")


Mode = Literal["auto", "min", "max"]


def better(value: float, than: float, name: str, *, mode: Mode = "auto") -> bool:
    """Whether ``value`` of the measure ``name`` is better than another; see :meth:`History.best`."""
    check_mode(mode)
    smaller = mode == "min" or (mode == "auto" and smaller_is_better(name))
    return value < than if smaller else value > than


def smaller_is_better(name: str) -> bool:
    """Whether a measure of that name is one to make small."""
    return name.endswith(SMALLER_IS_BETTER)


def check_mode(mode: str) -> None:
    """Raise ValueError if ``mode`` is unknown."""
    if mode not in {"auto", "min", "max"}:
        raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
