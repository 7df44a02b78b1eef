"""matplotlib is an extra: who lacks it is told how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["needs_matplotlib"]


@contextmanager
def needs_matplotlib() -> Iterator[None]:
    """Around the imports from matplotlib."""
    try:
        yield
    except ImportError as error:
        raise ImportError('plotting needs matplotlib: pip install "practicezoo[plot]"') from error
