"""One optimizer update from a list of micro-batches."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.arguments import as_list, check_instances
from practicezoo.batches import check_model, move_to, num_items, split_batch
from practicezoo.metrics.loss import Criterion, LossPart, WeightedLoss
from practicezoo.runtime.collectives import sum_over_ranks
from practicezoo.runtime.device import device_of, raise_mmap_threshold
from practicezoo.runtime.freezing import frozen_modules, train_all_but
from practicezoo.runtime.precision import Precision, autocast, check_precision
from practicezoo.training.parameters import check_own_parameters, clear_gradients, parameters_of
from practicezoo.training.replica import Replica
from practicezoo.training.result import StepResult
from practicezoo.training.schedules import as_schedulers, check_needs_no_value

if TYPE_CHECKING:
    from practicezoo.training.capture import CapturedUpdate

__all__ = ["TrainStep"]


class TrainStep:
    """Updates a model once from a list of micro-batches, as if they were one batch.

    The gradient is that of the criterion on all items together: a micro-batch weighs as much as its
    part of what the criterion's mean divides by (see :func:`loss_weight`). Memory is needed for one
    micro-batch at a time.

    Over several processes (see :func:`distributed_context`) the micro-batches of all ranks are one batch, by
    the same law: the model is called through DistributedDataParallel, and gradients are exchanged with the
    last micro-batch. A model that is wrapped, or sharded by ``fully_shard``, is taken as it is.

    The first step on the CPU raises glibc's threshold for giving freed memory back to the system, which makes
    later steps faster in the whole process.

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
        capture: on CUDA, records the whole update as a CUDA graph, one for each form of the batches, which
            makes small networks faster; results are the same (those of padded sequences up to rounding, for
            they are not packed then). The first updates are made without, to find what a graph cannot repeat.
            Then, and where there can be none (on other devices, for an optimizer that is not ``capturable``,
            batches on the CPU, ...), one warning says why, and all updates are made without. Python code of
            the model runs only in the first updates; what it goes by is looked at again in each epoch.

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
        capture: bool = False,
    ) -> None:
        check_model(model)
        check_precision(precision)
        check_instances(criterion=criterion, optimizer=optimizer)
        self.optimizers = _as_optimizers(optimizer)
        if not callable(criterion):
            raise TypeError(f"criterion must be a function of outputs and targets, got {criterion!r}")
        self._searches = any(isinstance(each, LBFGS) for each in self.optimizers)
        if self._searches:
            _check_alone(self.optimizers, precision, max_grad_norm)
        device = device_of(model)
        if precision == "fp16" and device.type != "cuda":
            raise ValueError(f"precision 'fp16' needs a model on CUDA, got one on {device}")
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be positive, got {max_grad_norm}")
        self.criterion = criterion
        self.lr_schedulers = as_schedulers(lr_scheduler, self.optimizers)
        self.precision: Precision = precision
        self.max_grad_norm = max_grad_norm
        check_needs_no_value(self.lr_schedulers)
        check_own_parameters(self.optimizers, model, criterion)
        self.replica = Replica(model, criterion)
        self.model = self.replica.model
        self.scaler = torch.amp.GradScaler("cuda", enabled=precision == "fp16")
        # of the last update, before its scheduler; a tensor where it is one, so that nobody waits for it
        self.last_learning_rate: Tensor | float = self._learning_rate()
        self._was_skipped = False  # the last update, for fp16 overflowed
        self._loss = WeightedLoss(criterion)
        self._frozen = frozen_modules(self.model)
        self._parameter = next(model.parameters(), torch.empty(0))  # says where the model is now
        self._captured: CapturedUpdate | None = None
        if capture:
            from practicezoo.training.capture import capture_updates

            self._captured = capture_updates(model, criterion, self.optimizers, precision)
        if device.type == "cpu":
            raise_mmap_threshold()

    def __call__(self, micro_batches: Sequence[Any]) -> StepResult:
        """Update the model once from ``micro_batches``, each a pair of inputs and targets."""
        if not micro_batches:
            raise ValueError("micro_batches must hold at least one batch, got none")
        self.last_learning_rate = self._learning_rate()
        if self._captured is None:
            result = self._update(micro_batches)
        else:
            result = self._captured(self._update, micro_batches)
        if not self._was_skipped:
            for scheduler in self.lr_schedulers:
                scheduler.step()
        return result

    def train_mode(self) -> None:
        """Set the model to training mode, but for what is frozen."""
        train_all_but(self.model, self._frozen)
        if self._captured is not None:
            self._captured.look_again()

    @property
    def learning_rate(self) -> float:
        """The first parameter group's learning rate."""
        return float(self._learning_rate())

    def _learning_rate(self) -> Tensor | float:
        rate: Tensor | float = self.optimizers[0].param_groups[0]["lr"]
        return rate.clone() if isinstance(rate, Tensor) else rate

    def _update(self, micro_batches: Sequence[Any]) -> StepResult:
        """All but the schedules."""
        if len(micro_batches) == 1 and self.replica.world_size == 1 and not self._searches:
            return self._update_by(*split_batch(micro_batches[0]))
        batches = [split_batch(batch) for batch in micro_batches]
        weights, of = self._weights(batches)
        if self._searches:
            parts, grad_norm = self._search(batches, weights, of), None
        else:
            parts = self._differentiate(batches, weights, of)
            grad_norm = self._clip()
            self._optimize()
        count = sum([num_items(targets, beside=inputs) for inputs, targets in batches])
        weight = sum([part.weight for part in parts[1:]], start=parts[0].weight)
        return StepResult(self._loss.mean(parts), weight, count, grad_norm)

    def _update_by(self, inputs: Any, targets: Any) -> StepResult:
        """The usual update, by one batch in one process: little more than what one writes by hand."""
        for optimizer in self.optimizers:
            clear_gradients(optimizer)
        part = self._forward(inputs, targets)
        self.scaler.scale(part.objective).backward()
        grad_norm = self._clip()
        self._optimize()
        return StepResult(self._loss.mean([part]), part.weight, num_items(targets, beside=inputs), grad_norm)

    def _weights(
        self, batches: Sequence[tuple[Any, Any]]
    ) -> tuple[Sequence[Tensor | int | None], Tensor | float | None]:
        """What the batches weigh, and all ranks' together; None and None for a batch that is the whole."""
        if len(batches) == 1 and self.replica.world_size == 1:
            return [None], None
        weights = [self._loss.weight(targets, inputs=inputs) for inputs, targets in batches]
        (of,) = sum_over_ranks(sum(weights[1:], start=weights[0]))
        return weights, of

    def _differentiate(
        self,
        batches: Sequence[tuple[Any, Any]],
        weights: Sequence[Tensor | int | None],
        of: Tensor | float | None,
    ) -> list[LossPart]:
        """Compute the gradients; returns the batches' parts of the loss."""
        for optimizer in self.optimizers:
            clear_gradients(optimizer)
        parts = []
        for number, ((inputs, targets), weight) in enumerate(zip(batches, weights, strict=True), start=1):
            with self.replica.exchange(number == len(batches)):
                part = self._forward(inputs, targets, weight, of)
                self.scaler.scale(self.replica.scaled(part.objective)).backward()
            parts.append(part)
        self.replica.finish_gradients()
        return parts

    def _forward(
        self,
        inputs: Any,
        targets: Any,
        weight: Tensor | int | None = None,
        of: Tensor | float | None = None,
    ) -> LossPart:
        device = self._parameter.device
        with autocast(device, self.precision):
            outputs = self.replica.call(move_to(inputs, device))
            targets = self._loss.move_targets(outputs, targets, device)
            if weight is None:
                return self._loss.whole(outputs, targets, inputs=inputs)
            return self._loss.part(outputs, targets, weight, of=of)

    def _search(
        self,
        batches: Sequence[tuple[Any, Any]],
        weights: Sequence[Tensor | int | None],
        of: Tensor | float | None,
    ) -> list[LossPart]:
        """Let LBFGS evaluate as often as it likes; returns the parts of the first evaluation."""
        evaluations = []

        def closure() -> Tensor | float:
            parts = self._differentiate(batches, weights, of)
            evaluations.append(parts)
            (value,) = sum_over_ranks(sum(part.objective.detach() for part in parts))
            return value

        self._optimize(closure)
        return evaluations[0]

    def _clip(self) -> Tensor | None:
        if self.max_grad_norm is None:
            return None
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        # only what is updated: other gradients are never cleared, and would grow from step to step
        norm = nn.utils.clip_grad_norm_(parameters_of(*self.optimizers), self.max_grad_norm)
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # of a sharded model

    def _optimize(self, *closure: Callable[[], Tensor | float]) -> None:
        for optimizer in self.optimizers:
            self.scaler.step(optimizer, *closure)
        if self.scaler.is_enabled():  # the scaler reads the device for itself in every step
            scale = self.scaler.get_scale()
            self.scaler.update()
            self._was_skipped = self.scaler.get_scale() < scale


def _as_optimizers(optimizer: Optimizer | Sequence[Optimizer]) -> list[Optimizer]:
    optimizers = as_list(optimizer)
    for each in optimizers:
        if not isinstance(each, Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer or a list of them, got {each!r}")
    if not optimizers:
        raise ValueError(f"optimizer must be at least one optimizer, got {optimizer!r}")
    return optimizers


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
