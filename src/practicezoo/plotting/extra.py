"""matplotlib is an extra: who lacks it is told how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["needs_matplotlib", "new_axes"]


@contextmanager
def needs_matplotlib() -> Iterator[None]:
    """Around the imports from matplotlib."""
    try:
        yield
    except ImportError as error:
        raise ImportError('plotting needs matplotlib: pip install "practicezoo[plot]"') from error


def new_axes(width: float = 6.4, height: float = 4.0) -> "Axes":
    """The axes of a new figure of this size in inches, unknown to pyplot."""
    with needs_matplotlib():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained").add_subplot()
