"""A criterion that knows what its mean divides by, so that batches of any size add up to one.

This is the only file that looks at a criterion's type or ``reduction``.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.batches import move_to, num_items

__all__ = ["Criterion", "LossPart", "WeightedLoss", "loss_weight", "nothing_counted", "weighted"]

Criterion: TypeAlias = Callable[[Any, Any], Tensor]

SMALLEST_TOTAL = 1e-30  # where nothing counts, a part of the loss is zero, not NaN


class LossPart(NamedTuple):
    """The criterion's value for one of several batches.

    Attributes:
        objective: what to differentiate: the gradients of all parts add up to the gradient of the whole.
        value: the criterion's value, detached.
        weight: what the batch weighs among the others.
        is_sum: whether ``value`` is a sum over items rather than a mean.
    """

    objective: Tensor
    value: Tensor
    weight: Tensor | int
    is_sum: bool

    @property
    def loss_sum(self) -> Tensor:
        """The sum over the batch's items behind ``value``."""
        return _widened(self.value) if self.is_sum else weighted(self.value, self.weight)


class WeightedLoss:
    """A criterion together with the law by which its values for several batches are put together.

    Only torch's own loss classes are taken apart. A function, and a class of the user's, also one derived
    from torch's, is called as it is and taken for a mean over the elements of the targets.

    A mean over items cannot be had from means over batches without knowing what each divides by:
    :meth:`weight` tells that, and :meth:`part` gives what a batch adds to the whole.

    Args:
        criterion: called with outputs and targets, returns a scalar.
    """

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        # a class of the user's may do anything with what it inherits: it is called as it is
        is_torchs_own = type(criterion).__module__ == nn.MSELoss.__module__
        self._reduction = getattr(criterion, "reduction", None) if is_torchs_own else None
        self._counts_classes = type(criterion) in {nn.CrossEntropyLoss, nn.NLLLoss}
        self._summed = self._as_sum() if self._counts_classes and self._reduction == "mean" else None

    def weight(self, targets: Any, *, inputs: Any = None) -> Tensor | int:
        """What the mean over ``targets`` divides by; see :func:`loss_weight`."""
        if not isinstance(targets, Tensor) or self._reduction in {"sum", "batchmean"}:
            return num_items(targets, beside=inputs)
        return self._count_classes(targets) if self._counts_classes else targets.numel()

    def whole(self, outputs: Any, targets: Any, *, inputs: Any = None) -> LossPart:
        """What a batch contributes that is the whole.

        The objective is the criterion's own value, bit for bit what a loop written by hand differentiates.

        Args:
            outputs: of the model.
            targets: on the outputs' device.
            inputs: the other part of the batch.

        Raises:
            ValueError: if the criterion returns no scalar, or torch finds a class index out of range (it
                looks on the CPU only).
        """
        if self._summed is None or not isinstance(targets, Tensor) or targets.is_floating_point():
            weight = self.weight(targets, inputs=inputs)
            value = self._compute(self.criterion, outputs, targets)
        else:  # the mean over class indices, which torch has counted
            value = self._compute(self.criterion, outputs, targets)
            counted = _counted_in(value)
            weight = self._count_classes(targets) if counted is None else counted
            # a module's own look-up of an attribute takes longer than this test
            if vars(self.criterion)["_buffers"]["weight"] is not None:
                self._guard_gradient(outputs, weight)
        return LossPart(value, value.detach(), weight, self._reduction == "sum")

    def part(
        self, outputs: Any, targets: Any, weight: Tensor | int, *, of: Tensor | float | None = None
    ) -> LossPart:
        """What a batch contributes.

        Args:
            outputs: of the model.
            targets: on the outputs' device.
            weight: of this batch, from :meth:`weight`.
            of: the weights of all batches together; None if nothing is differentiated.

        Raises:
            ValueError: as :meth:`whole` does.
        """
        if of is None or self._reduction == "sum":
            value = self._compute(self.criterion, outputs, targets)
            detached = value.detach() if value.requires_grad else value  # nothing to do in an evaluation
            return LossPart(value, detached, weight, self._reduction == "sum")
        if self._summed is not None:
            value = self._compute(self._summed, outputs, targets)
            total = of.clamp(min=SMALLEST_TOTAL) if isinstance(of, Tensor) else max(of, SMALLEST_TOTAL)
            objective = value / total
            return LossPart(objective, value.detach(), weight, is_sum=True)
        value = self._compute(self.criterion, outputs, targets)
        return LossPart(value * weight / of, value.detach(), weight, is_sum=False)

    @staticmethod
    def mean(parts: Sequence[LossPart]) -> Tensor:
        """The mean loss over the items of all parts."""
        if len(parts) == 1 and not parts[0].is_sum:
            return parts[0].value
        loss_sums, weights = [part.loss_sum for part in parts], [part.weight for part in parts]
        return sum(loss_sums[1:], start=loss_sums[0]) / sum(weights[1:], start=weights[0])

    def move_targets(self, outputs: Any, targets: Any, device: torch.device) -> Any:
        """``targets`` on ``device``, where ``outputs`` are.

        On a GPU an index that is no class ends in an assertion that leaves the whole process without the
        device, so class indices that come from the CPU are checked before they go there. Those that already
        live on the GPU are not read back: that would make every step wait.

        Raises:
            ValueError: if class indices leave the CPU and one is out of range.
        """
        if (
            device.type != "cpu"
            and self._counts_classes
            and isinstance(targets, Tensor)
            and targets.device.type == "cpu"
            and not targets.is_floating_point()
            and outputs.ndim > 1
            and (wrong := self._out_of_range(targets, outputs.shape[1]))
        ):
            raise wrong
        return move_to(targets, device)

    def _compute(self, criterion: Criterion, outputs: Any, targets: Any) -> Tensor:
        try:
            value = criterion(outputs, targets)
        except IndexError as error:  # torch's own message names neither value nor place
            if str(error).startswith("Target ") and (wrong := self._out_of_range(targets, outputs.shape[1])):
                raise wrong from error
            raise
        except RuntimeError as error:
            if "with class probabilities, got" in str(
                error
            ):  # torch's name for integers of the logits' shape
                raise TypeError(
                    "targets must be class indices, got one-hot integers: give targets.argmax(dim=1), or "
                    "targets.float() as class probabilities"
                ) from error
            raise
        if not isinstance(value, Tensor):
            raise TypeError(f"criterion must return a scalar tensor, got {type(value).__name__}")
        if value.ndim > 0:
            raise ValueError(f"criterion must return a scalar, got shape {tuple(value.shape)}")
        return value

    def _guard_gradient(self, outputs: Any, weight: Tensor | int) -> None:
        """Make the gradient zero, not NaN, where all class weights are zero; without a look at the device."""
        if isinstance(weight, Tensor) and isinstance(outputs, Tensor) and outputs.requires_grad:
            counts = (weight > 0).to(outputs.device)
            outputs.register_hook(lambda gradient: torch.where(counts, gradient, 0.0))

    def _as_sum(self) -> Criterion:
        """Cross entropy summed rather than averaged: its mean has no gradient where no target counts."""
        summed: Any = copy.copy(self.criterion)
        summed.reduction = "sum"
        return summed

    def _count_classes(self, targets: Tensor) -> Tensor | int:
        """The weight of class indices that are not ignored, or the number of class probabilities."""
        criterion: Any = self.criterion
        if targets.is_floating_point():
            if targets.ndim < 2:  # (N, C, ...)
                raise TypeError(
                    "targets must be class indices (int64) or class probabilities (N, C, ...), "
                    f"got {targets.dtype} of shape {tuple(targets.shape)}"
                )
            return targets.numel() // targets.shape[1]
        counted = targets != criterion.ignore_index
        if criterion.weight is None:
            return counted.count_nonzero()
        # no index leads beyond the weights: the criterion is the one to refuse it
        indices = targets.clamp(0, len(criterion.weight) - 1)
        indices, counted = move_to((indices, counted), criterion.weight.device)
        return torch.sum(criterion.weight[indices].mul(counted))

    def _out_of_range(self, targets: Tensor, num_classes: int) -> ValueError | None:
        """The error for the first class index that is neither a class nor ignored."""
        ignore_index = getattr(self.criterion, "ignore_index", -100)  # torch's default
        wrong = ((targets < 0) | (targets >= num_classes)) & (targets != ignore_index)
        if not wrong.any():
            return None
        place = tuple(wrong.nonzero()[0].tolist())
        shown = place if len(place) > 1 else place[0]
        return ValueError(
            f"targets must lie in [0, {num_classes}), got {int(targets[place])} at index {shown}"
        )


def loss_weight(criterion: Criterion, targets: Any) -> Tensor | int:
    """What the criterion's mean over ``targets`` divides by: the batch's weight among other batches.

    - Cross entropy and NLL with class indices: the targets that are not ``ignore_index``, each
      counted with its class weight.
    - Cross entropy with class probabilities: the number of distributions.
    - ``reduction="batchmean"`` or ``"sum"``, and targets that are not one tensor: the number of items.
    - All else: the number of elements in ``targets``.

    Args:
        criterion: a loss module or function.
        targets: the targets of a batch.

    Raises:
        TypeError: if cross entropy or NLL get floating-point targets without a dimension of classes.

    Example:
        >>> loss_weight(nn.CrossEntropyLoss(ignore_index=0), torch.tensor([0, 3, 2]))
        tensor(2)
        >>> loss_weight(nn.MSELoss(), torch.zeros(4, 2))
        8
    """
    return WeightedLoss(criterion).weight(targets)


def _counted_in(mean: Tensor) -> Tensor | None:
    """What cross entropy divided by, where the graph keeps that: no operation has to count it again."""
    counted = getattr(mean.grad_fn, "_saved_total_weight", None)
    # in half a precision a count would be rounded
    return counted if counted is not None and counted.dtype.itemsize >= 4 else None


def weighted(mean: Tensor, weight: Tensor | float) -> Tensor:
    """The sum behind a mean, or sums behind means: zero where nothing was counted and the mean is NaN."""
    mean = _widened(mean)
    if isinstance(weight, Tensor):
        weights: Tensor = move_to(weight, mean.device)
        return (mean * weights).masked_fill(weights == 0, 0.0)
    return mean * weight if weight else torch.zeros_like(mean)


def _widened(loss: Tensor) -> Tensor:
    """A loss in float32 at least: a sum in bfloat16 soon stops growing."""
    return loss.float() if loss.dtype in {torch.bfloat16, torch.float16} else loss


def nothing_counted() -> ValueError:
    """The error for a mean over no target."""
    return ValueError(
        "criterion must count at least one target, got none: each is ignored or has a weight of 0"
    )
