"""A progress bar for each epoch, on a terminal or in a notebook; nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from practicezoo.training.weighing import LossSum

__all__ = ["EpochBar", "is_interactive"]


def is_interactive() -> bool:
    """Whether someone is watching: standard error is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class EpochBar:
    """The updates of an epoch as a bar, with the loss so far and the items per second.

    Args:
        description: stands before the bar.
        total: updates in the epoch, or None if nobody knows.
        show: whether to draw at all.
    """

    def __init__(self, description: str, *, total: int | None, show: bool) -> None:
        self._bar: Any = None
        if show and is_interactive():
            from tqdm.auto import tqdm  # noqa: PLC0415

            self._bar = tqdm(desc=description, total=total, leave=False, unit="update", dynamic_ncols=True)
        self._num_items = 0
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, num_items: int, losses: LossSum) -> None:
        """Count an update in; the loss is read only when the bar is drawn, about ten times a second."""
        if self._bar is None:
            return
        self._num_items += num_items
        if self._bar.update():
            rate = self._num_items / (time.perf_counter() - self._started)
            loss_sum, weight = losses.totals()
            self._bar.set_postfix_str(
                f"loss {float(loss_sum / weight):.4f}, {rate:,.0f} items/s", refresh=False
            )

    def finish(self, line: str) -> None:
        """Remove the bar and leave ``line`` in its place."""
        if self._bar is not None:
            self._bar.close()
            self._bar.write(line)
