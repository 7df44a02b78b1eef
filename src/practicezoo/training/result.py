"""What one update measured."""

from dataclasses import dataclass

from torch import Tensor

from practicezoo.metrics.loss import weighted

__all__ = ["StepResult"]


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
