"""One optimizer update from a list of micro-batches."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.arguments import as_list, check_instances
from practicezoo.batches import move_to, num_items, split_batch
from practicezoo.metrics.loss import Criterion, as_sum, loss_total, loss_weight, weighted
from practicezoo.metrics.targets import compute_loss, move_targets
from practicezoo.runtime.collectives import broadcast_tensors, sum_over_ranks
from practicezoo.runtime.device import device_of, raise_mmap_threshold
from practicezoo.runtime.precision import Precision, autocast, check_precision
from practicezoo.runtime.processes import world_size
from practicezoo.training.replica import average_gradients, check_gradients, no_sync, replicate, unwrap
from practicezoo.training.schedules import check_needs_no_value

__all__ = ["StepResult", "TrainStep"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one update measured. Tensors stay on the model's device: read them when you show them.

    Over several processes it is about this one's batches: :func:`sum_over_ranks` adds up sums and weights.

    Attributes:
        loss: the mean loss over the update's items, a scalar tensor.
        weight: what that mean divides by; usually the number of items.
        num_items: items in the update's micro-batches.
        grad_norm: the norm before clipping of the optimizers' gradients, or None without ``max_grad_norm``.
    """

    loss: Tensor
    weight: Tensor | int
    num_items: int
    grad_norm: Tensor | None

    @property
    def loss_sum(self) -> Tensor:
        """The loss summed over the update's items, a scalar tensor."""
        return weighted(self.loss, self.weight)


class TrainStep:
    """Updates a model once from a list of micro-batches, as if they were one batch.

    The gradient is that of the criterion on all items together: a micro-batch weighs as much as its
    share of what the criterion's mean divides by (see :func:`loss_weight`). Memory is needed for one
    micro-batch at a time.

    Over several processes (see :func:`distributed_context`) the micro-batches of all ranks are one batch, by
    the same law: the model is called through DistributedDataParallel, and gradients are exchanged with the
    last micro-batch. A model that is wrapped, or sharded by ``fully_shard``, is taken as it is.

    ``torch.optim.LBFGS`` evaluates loss and gradient several times in an update: each time on all
    micro-batches, so batch norm and dropout see each evaluation. What is reported is the first one, the loss
    before the update as with every optimizer. It reads the loss for itself, so steps wait for the device.

    Args:
        model: any module; batches follow its device. The attribute of that name is never a wrapper.
        optimizer: one optimizer, or several that share the parameters among them; LBFGS only by itself.
        criterion: called with outputs and targets, returns a scalar. With ``reduction="sum"`` the
            gradient is that of the sum; otherwise it is taken for a mean.
        lr_scheduler: one schedule, or several; stepped after each update.
        precision: "fp32"; "bf16" for autocast in bfloat16; "fp16" for autocast in float16 with a
            gradient scaler (CUDA only; an update that overflows is skipped, and the schedule waits).
        max_grad_norm: clips the norm of the optimizers' gradients, taken together, to this.

    Raises:
        ValueError: if ``precision`` is unknown or does not fit the device, ``max_grad_norm`` is not
            positive, LBFGS comes with another optimizer, "fp16" or ``max_grad_norm``, an optimizer holds none
            of the model's or the criterion's parameters, a call gets no batch, or a class index for cross
            entropy or NLL is out of range (on a GPU only targets that come from the CPU are looked at:
            reading others would make every step wait), or a parameter gets no gradient on one of several
            ranks.
        TypeError: if a class is given for an instance, a batch is not a pair of inputs and targets, or the
            targets of cross entropy or NLL are neither class indices nor probabilities.

    Example:
        >>> model = nn.Linear(3, 1)
        >>> step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
        >>> result = step([(torch.randn(4, 3), torch.randn(4, 1)), (torch.randn(2, 3), torch.randn(2, 1))])
        >>> result.num_items
        6
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        criterion: Criterion,
        *,
        lr_scheduler: LRScheduler | Sequence[LRScheduler] | None = None,
        precision: Precision = "fp32",
        max_grad_norm: float | None = None,
    ) -> None:
        check_precision(precision)
        check_instances(criterion=criterion, optimizer=optimizer, lr_scheduler=lr_scheduler)
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        self._evaluates_again = any(isinstance(each, LBFGS) for each in self.optimizers)
        if self._evaluates_again:
            _check_alone(self.optimizers, precision, max_grad_norm)
        if precision == "fp16" and device_of(model).type != "cuda":
            raise ValueError(f"precision 'fp16' needs a model on CUDA, got one on {device_of(model)}")
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be positive, got {max_grad_norm}")
        self.model = unwrap(model)
        self.criterion = criterion
        self._check_optimizers()
        self._world_size = world_size()
        self._replica = replicate(model)
        if isinstance(criterion, nn.Module):
            broadcast_tensors(criterion.parameters())
        self._parameter = next(model.parameters(), torch.empty(0))
        self.lr_schedulers = as_list(lr_scheduler)
        check_needs_no_value(self.lr_schedulers)
        self.precision = precision
        self.max_grad_norm = max_grad_norm
        self._sum_criterion = as_sum(criterion)
        self.scaler = torch.amp.GradScaler("cuda", enabled=precision == "fp16")
        if device_of(model).type == "cpu":
            raise_mmap_threshold()

    def __call__(self, micro_batches: Sequence[Any]) -> StepResult:
        """Update the model once from ``micro_batches``, each a pair of inputs and targets."""
        if not micro_batches:
            raise ValueError("micro_batches must hold at least one batch, got none")
        pairs = [split_batch(batch) for batch in micro_batches]
        weights = [loss_weight(self.criterion, targets) for _, targets in pairs]
        weight = sum(weights[1:], start=weights[0])
        (total,) = sum_over_ranks(weight)
        if self._evaluates_again:
            loss, grad_norm = self._search(pairs, weights, total), None
        else:
            loss = self._differentiate(pairs, weights, total)
            grad_norm = self._clip()
            self._update()
        num_items_seen = sum(num_items(targets) for _, targets in pairs)
        return StepResult(loss, weight, num_items_seen, grad_norm)

    @property
    def learning_rate(self) -> float:
        """The first parameter group's learning rate."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def _differentiate(
        self,
        pairs: Sequence[tuple[Any, Any]],
        weights: Sequence[Tensor | int],
        total: Tensor | float,
        objective: list[Tensor] | None = None,
    ) -> Tensor:
        """Fill the gradients anew; returns the mean loss over items, its shares go to ``objective``."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        is_whole = len(pairs) == 1 and self._world_size == 1
        criterion = self.criterion if is_whole else self._sum_criterion or self.criterion
        losses = []
        for number, ((inputs, targets), weight) in enumerate(zip(pairs, weights, strict=True), start=1):
            is_last = number == len(pairs)  # the ranks' gradients meet once, when all are there
            with nullcontext() if is_last else no_sync(self._replica):
                loss = self._loss(criterion, inputs, targets)
                share = loss if is_whole else self._share(criterion, loss, weight, total)
                self.scaler.scale(share if self._world_size == 1 else share * self._world_size).backward()
            losses.append(loss.detach())
            if objective is not None:
                objective.append(share.detach())
        if self._world_size > 1:  # what came out is the mean over ranks of world_size times each one's share
            check_gradients(self._replica)
            average_gradients(self.criterion)
        return _mean(criterion, losses, weights)

    def _search(
        self, pairs: Sequence[tuple[Any, Any]], weights: Sequence[Tensor | int], total: Tensor | float
    ) -> Tensor:
        """Let LBFGS evaluate as often as it likes; returns the first evaluation's mean loss over items."""
        losses = []

        def closure() -> Tensor | float:
            objective: list[Tensor] = []
            losses.append(self._differentiate(pairs, weights, total, objective))
            (value,) = sum_over_ranks(sum(objective[1:], start=objective[0]))
            return value

        self._update(closure)
        return losses[0]

    def _loss(self, criterion: Criterion, inputs: Any, targets: Any) -> Tensor:
        """The criterion's value for a micro-batch."""
        device = self._parameter.device
        with autocast(device, self.precision):
            outputs = self._replica(move_to(inputs, device))
            loss = compute_loss(criterion, outputs, move_targets(criterion, outputs, targets, device))
        if loss.ndim > 0:
            raise ValueError(f"criterion must return a scalar, got shape {tuple(loss.shape)}")
        return loss

    def _share(
        self, criterion: Criterion, loss: Tensor, weight: Tensor | int, total: Tensor | float
    ) -> Tensor:
        """A micro-batch's share of the update's loss."""
        if getattr(self.criterion, "reduction", None) == "sum":
            return loss
        if criterion is self._sum_criterion:
            return loss / torch.as_tensor(total).clamp(min=1e-30)  # nothing counted: zero, not NaN
        return loss * weight / total

    def _check_optimizers(self) -> None:
        """Raise ValueError for an optimizer whose updates would change nothing here."""
        modules = (part for part in (self.model, self.criterion) if isinstance(part, nn.Module))
        ours = {parameter for module in modules for parameter in module.parameters()}
        for optimizer in self.optimizers:
            if ours.isdisjoint(
                parameter for group in optimizer.param_groups for parameter in group["params"]
            ):
                raise ValueError(
                    "optimizer must hold parameters of the model, got none of them: make it from this model, "
                    "after its last change (such as reset_head)"
                )

    def _clip(self) -> Tensor | None:
        if self.max_grad_norm is None:
            return None
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        # only what is updated: other gradients are never cleared, and would grow from step to step
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        parameters = [parameter for group in groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of a sharded model

    def _update(self, *closure: Callable[[], Tensor | float]) -> None:
        for optimizer in self.optimizers:
            self.scaler.step(optimizer, *closure)
        skipped = False
        if self.scaler.is_enabled():  # the scaler reads the device for itself in every step
            scale = self.scaler.get_scale()
            self.scaler.update()
            skipped = self.scaler.get_scale() < scale
        if not skipped:
            for scheduler in self.lr_schedulers:
                scheduler.step()


def _mean(criterion: Criterion, losses: Sequence[Tensor], weights: Sequence[Tensor | int]) -> Tensor:
    """The mean over items of the criterion's values for micro-batches."""
    if len(losses) == 1 and getattr(criterion, "reduction", None) != "sum":
        return losses[0]
    totals = [loss_total(criterion, *each) for each in zip(losses, weights, strict=True)]
    return sum(totals[1:], start=totals[0]) / sum(weights[1:], start=weights[0])


def _check_alone(optimizers: Sequence[Optimizer], precision: str, max_grad_norm: float | None) -> None:
    """Raise ValueError for what does not go with LBFGS: it must see the loss and gradient of one function."""
    if len(optimizers) > 1:
        names = ", ".join(type(optimizer).__name__ for optimizer in optimizers)
        raise ValueError(f"optimizer must be LBFGS alone, for it evaluates the loss itself, got {names}")
    if precision == "fp16":
        raise ValueError(
            "precision must be 'fp32' or 'bf16' with LBFGS, which takes no scaled loss, got 'fp16'"
        )
    if max_grad_norm is not None:
        raise ValueError(
            f"max_grad_norm must be None with LBFGS, which needs the gradient as it is, got {max_grad_norm}"
        )
