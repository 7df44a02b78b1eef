"""A copy of the program that is trained for a moment."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.batches import call_model, num_items
from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.samples import first_samples
from practicezoo.runtime.randomness import seed_everything

__all__ = ["Learned", "Trial"]

NUM_SAMPLES = 64
NUM_UPDATES = 30
NUM_LAST = 5


class Learned(NamedTuple):
    """The loss before and after updates on one batch, and the lowest in the last few of them."""

    before: float
    after: float
    lowest: float
    num_updates: int

    @property
    def gain(self) -> float:
        """What part of the loss is gone; negative where it grew, NaN where it broke."""
        return (self.before - self.after) / max(abs(self.before), 1e-12)


@dataclass
class Trial:
    """A copy of model, criterion, optimizers and the first samples of a batch."""

    dry_run: DryRun
    optimizers: list[Optimizer]

    @classmethod
    def of(
        cls, model: nn.Module, criterion: Any, batch: tuple[Any, Any], optimizers: Sequence[Optimizer]
    ) -> "Trial":
        """Copy the program; the optimizers' copies hold the copied parameters."""
        count = num_items(batch[1])
        cut = attempt(lambda: tuple(first_samples(each, NUM_SAMPLES, of=count) for each in batch)).result
        dry_run = DryRun.of(model, criterion, cut or batch)
        copies = dict(dry_run.copies)
        return cls(dry_run, [copy.deepcopy(optimizer, copies) for optimizer in optimizers])

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def update(self) -> float:
        """One update; returns the loss before it. No gradient goes to tensors outside the copy."""
        run = self.dry_run
        loss = run.criterion(call_model(run.model, copy.deepcopy(run.inputs)), run.targets)
        held = [each for group in self.groups for each in group["params"] if each.requires_grad]
        for parameter, gradient in zip(held, torch.autograd.grad(loss, held, allow_unused=True), strict=True):
            parameter.grad = gradient
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss)

    def loss(self) -> float:
        """The loss without dropout, the same random numbers each time."""
        seed_everything(0)
        value: Tensor = self.dry_run.criterion(self.dry_run.steady(), self.dry_run.targets)
        return float(value)

    def learn(self, seconds: float) -> Learned:
        """A few dozen updates, fewer if the time is up."""
        started = time.perf_counter()
        before = self.loss()
        losses: list[float] = []
        while len(losses) < NUM_UPDATES and time.perf_counter() - started < seconds:
            losses.append(self.update())
        after = self.loss()
        return Learned(before, after, min([*losses[-NUM_LAST:], after]), len(losses))
