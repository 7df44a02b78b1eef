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
from practicezoo.diagnostics.work import WorkCounter
from practicezoo.runtime.randomness import seed_everything

__all__ = ["MIN_UPDATES", "Learned", "Plan", "Trial", "plan_updates"]

NUM_SAMPLES, MIN_SAMPLES = 64, 8
NUM_UPDATES, MIN_UPDATES = 30, 8
NUM_LAST = 5
# An update costs a forward pass and two of its kind backwards, and a few operations on each parameter.
PASSES, OF_PARAMETERS = 3, 10
# What works outside torch's functions, or slowly, must not keep a user waiting for long.
MAX_SECONDS = 20.0


class Learned(NamedTuple):
    """The loss before and after updates on one batch, and the lowest in the last few of them."""

    before: float
    after: float
    lowest: float
    num_updates: int
    moved: bool

    @property
    def gain(self) -> float:
        """What part of the loss is gone; negative where it grew, NaN where it broke."""
        return (self.before - self.after) / max(abs(self.before), 1e-12)


class Plan(NamedTuple):
    """How many of the batch's samples to train on, and how often."""

    num_samples: int
    num_updates: int


@dataclass
class Trial:
    """A copy of model, criterion, optimizers and the first samples of a batch.

    Attributes:
        num_samples: in the batch; None where it cannot be cut.
    """

    dry_run: DryRun
    optimizers: list[Optimizer]
    num_samples: int | None

    @classmethod
    def of(
        cls,
        model: nn.Module,
        criterion: Any,
        batch: tuple[Any, Any],
        optimizers: Sequence[Optimizer],
        num_samples: int = NUM_SAMPLES,
    ) -> "Trial":
        """Copy the program; the optimizers' copies hold the copied parameters."""
        count = num_items(batch[1])
        cut = attempt(lambda: tuple(first_samples(each, num_samples, of=count) for each in batch)).result
        dry_run = DryRun.of(model, criterion, cut or batch)
        copies = dict(dry_run.copies)
        twins = [copy.deepcopy(optimizer, copies) for optimizer in optimizers]
        return cls(dry_run, twins, min(num_samples, count) if cut else None)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def held(self) -> list[nn.Parameter]:
        """The parameters that the optimizers would update."""
        return [each for group in self.groups for each in group["params"] if each.requires_grad]

    def differentiate(self) -> float:
        """Put gradients where backward() would; returns the loss. None goes to tensors outside the copy."""
        run = self.dry_run
        loss = run.criterion(call_model(run.model, copy.deepcopy(run.inputs)), run.targets)
        held = self.held()
        for parameter, gradient in zip(held, torch.autograd.grad(loss, held, allow_unused=True), strict=True):
            parameter.grad = gradient
        return float(loss)

    def gradient_norm(self) -> float:
        """The norm of all gradients as they are now."""
        norms = [each.grad.float().norm() for each in self.held() if each.grad is not None]
        return float(torch.stack(norms).norm()) if norms else 0.0

    def update(self) -> float:
        """One update; returns the loss before it."""
        loss = self.differentiate()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def loss(self) -> float:
        """The loss without dropout, the same random numbers each time."""
        seed_everything(0)
        value: Tensor = self.dry_run.criterion(self.dry_run.steady(), self.dry_run.targets)
        return float(value)

    def constant_loss(self) -> float:
        """The loss of outputs that are the same for all samples: the mean of the model's."""
        outputs = self.dry_run.steady()
        mean = outputs.mean(dim=0, keepdim=True).expand_as(outputs)
        return float(self.dry_run.criterion(mean, self.dry_run.targets))

    def learn(self, num_updates: int) -> Learned:
        """Updates on the batch; fewer only where they take far longer than what torch computes in them."""
        started = time.perf_counter()
        weights = [each.detach().clone() for each in self.held()]
        before = self.loss()
        losses: list[float] = []
        while len(losses) < num_updates and time.perf_counter() - started < MAX_SECONDS:
            losses.append(self.update())
        after = self.loss()
        moved = any(not torch.equal(old, new) for old, new in zip(weights, self.held(), strict=True))
        return Learned(before, after, min([*losses[-NUM_LAST:], after]), len(losses), moved)


def plan_updates(trial: Trial, allowed: float) -> Plan | None:
    """As many samples, then as many updates as ``allowed`` multiply-adds suffice for; None if for too few."""
    with WorkCounter() as counter:
        trial.loss()
    full = trial.num_samples or 1
    of_updates = OF_PARAMETERS * sum(each.numel() for each in trial.held())
    sizes = [size for size in (full, 32, 16, MIN_SAMPLES) if size <= full]
    for num_samples in sizes if trial.num_samples else [full]:
        of_data = counter.of_data * num_samples / full
        affordable = int(allowed / (PASSES * (of_data + counter.of_calls) + of_updates))
        if affordable >= NUM_UPDATES:
            return Plan(num_samples, NUM_UPDATES)
    return Plan(num_samples, affordable) if affordable >= MIN_UPDATES else None
