"""Learning rate schedulers of another optimizer, and those that end long before the training."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.finding import Finding
from practicezoo.training.schedules import is_foreign, steps_per_update

__all__ = ["find_in_schedulers"]

VANISHED = 1e-3  # of the highest learning rate
LATEST = 0.5  # of the training
MAX_STEPS = 20_000


def find_in_schedulers(
    schedulers: Sequence[LRScheduler],
    optimizers: Sequence[Optimizer],
    *,
    epochs: int | None,
    num_batches: int | None,
) -> Iterator[Finding]:
    """Look at whose the schedulers are, and step copies through the training."""
    for scheduler in schedulers:
        if optimizers and is_foreign(scheduler, optimizers):
            yield Finding(
                "foreign-scheduler",
                f"{type(scheduler).__name__} is of a {type(scheduler.optimizer).__name__} that does not "
                "train the model: the learning rate of the one that does stays as it is",
                "make the scheduler from the optimizer that is given",
            )
        elif epochs is not None and not isinstance(scheduler, ReduceLROnPlateau):
            yield from _find_too_fast(scheduler, epochs, num_batches)


def _find_too_fast(scheduler: Any, epochs: int, num_batches: int | None) -> Iterator[Finding]:
    per_update, error = attempt(steps_per_update, scheduler, "auto")
    if error is not None or (per_update and num_batches is None):
        return
    num_steps = epochs * (num_batches or 1) if per_update else epochs
    if num_steps > MAX_STEPS:
        return
    rates = _rates(scheduler, num_steps)
    peak = max(rates)
    alive = [step for step, rate in enumerate(rates) if rate >= VANISHED * peak]
    end = alive[-1] + 1
    if end < LATEST * len(rates):
        unit = "updates" if per_update else "epochs"
        yield Finding(
            "scheduler-too-fast",
            f"after {end} of {num_steps} {unit} the learning rate stays below a thousandth of its highest "
            f"value: it falls from {peak:.2g} to {rates[-1]:.2g}, and nothing more is learned",
            f"fit the scheduler to the {num_steps} {unit}: a gamma nearer to 1, a larger step_size or T_max",
        )


def _rates(scheduler: Any, num_steps: int) -> list[float]:
    """The highest learning rate of all groups at each step, on a copy that shares the parameters."""
    groups = scheduler.optimizer.param_groups
    twin = copy.deepcopy(
        scheduler, {id(parameter): parameter for group in groups for parameter in group["params"]}
    )
    rates = []
    for _ in range(num_steps):
        rates.append(max(float(group["lr"]) for group in twin.optimizer.param_groups))
        if attempt(twin.step).error is not None:  # it is at its end
            break
    return rates
