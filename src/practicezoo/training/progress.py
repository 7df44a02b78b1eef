"""A progress bar for each epoch, on a terminal or in a notebook; nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from practicezoo.training.run import Run

__all__ = ["EpochBar", "epoch_line", "is_interactive"]

# tqdm's own, without its rate: items per second say more than updates
MEASURED = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
COUNTED = "{desc}: {n_fmt} updates [{elapsed}{postfix}]"


def is_interactive() -> bool:
    """Whether someone is watching: standard error is a terminal, or this is a notebook."""
    has_terminal = (
        sys.stderr is not None and sys.stderr.isatty()
    )  # None in Windows programs without a console
    return has_terminal or "ipykernel" in sys.modules


class EpochBar:
    """The updates of an epoch as a bar, with the loss so far and the items per second.

    Args:
        run: the run that is in the epoch.
        show: whether to draw at all.
    """

    def __init__(self, run: Run, *, show: bool) -> None:
        self._run = run
        self._bar: Any = None
        if show and is_interactive():
            from tqdm.auto import tqdm

            self._bar = tqdm(
                desc=f"epoch {run.epoch}/{run.epochs}",
                total=run.num_updates_left(),
                leave=False,
                dynamic_ncols=True,
                bar_format=COUNTED if run.num_updates_left() is None else MEASURED,
            )
        self._num_items = 0
        self._started = self._drawn = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, num_items: int) -> None:
        """Count an update in; the loss is read only when the bar is drawn, about ten times a second."""
        if self._bar is None:
            return
        self._num_items += num_items
        self._bar.n += 1
        now = time.perf_counter()
        if now - self._drawn >= self._bar.mininterval:  # tqdm's update() would draw before the loss is known
            rate = self._num_items / (now - self._started)
            self._bar.set_postfix_str(f"loss {self._run.losses.mean():.4f}, {rate:,.0f} items/s")
            self._drawn = now

    def finish(self) -> None:
        """Remove the bar and leave the epoch's values in its place."""
        if self._bar is not None:
            self._bar.close()
            self._bar.write(epoch_line(self._run))


def epoch_line(run: Run) -> str:
    """The last epoch's values in one line."""
    shown = {name: value for name, value in run.history.last().items() if name != "seconds"}
    values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
    number = f"{run.epoch:>{len(str(run.epochs))}}/{run.epochs}"
    return f"epoch {number}  {values}  {run.history['seconds'][-1]:.1f} s"
