"""The fraction of right answers."""

import torch
from torch import Tensor

from practicezoo.arguments import check_count
from practicezoo.metrics.decisions import decide
from practicezoo.runtime.collectives import sum_over_ranks

__all__ = ["Accuracy"]


class Accuracy:
    """The fraction of targets that the outputs get right, from 0 to 1.

    Shape and type decide how outputs are read; what has two readings is refused. Nothing is read from the
    device before :meth:`compute`.

    Among class indices, one that is no class of the outputs, such as -100 without ``ignore_index``, counts as
    wrong: a criterion beside the metric finds it. Binary targets that are neither 0 nor 1 are refused when
    the value is computed.

    Args:
        top_k: a target is right if it is among this many greatest scores.
        threshold: where each element is a decision between 0 and 1, outputs above it are a 1. None is 0,
            for logits; give 0.5 for probabilities.
        ignore_index: targets of this value do not count.

    Shape:
        - scores ``(N, C, ...)``, C > 1, with class indices ``(N, ...)``
        - binary logits ``(N,)`` or ``(N, 1)`` with targets 0 or 1 of the same shape
        - with ``threshold``: outputs and targets 0 or 1 of any one shape
        - the value of :meth:`compute`: a scalar tensor, float64, on the CPU

    Raises:
        TypeError: if outputs are not floating point, or class indices are.
        ValueError: if the shapes fit neither or both readings, or ``compute`` is called before any target was
            counted, or when a binary target was neither 0 nor 1.

    Example:
        >>> accuracy = Accuracy()
        >>> accuracy.update(torch.tensor([[0.1, 2.0], [3.0, 1.0]]), torch.tensor([1, 1]))
        >>> accuracy.compute().item()
        0.5
    """

    higher_is_better = True

    def __init__(
        self, *, top_k: int = 1, threshold: float | None = None, ignore_index: int | None = None
    ) -> None:
        check_count(top_k=top_k)
        self.top_k = top_k
        self.threshold = threshold
        self.ignore_index = ignore_index
        self._right: Tensor | int = 0
        self._count: Tensor | int = 0
        self._no_answers: Tensor | int = 0

    def update(self, outputs: Tensor, targets: Tensor, /) -> None:
        """Count a batch in."""
        decision = decide(outputs, targets, top_k=self.top_k, threshold=self.threshold)
        right = decision.predicted == targets
        if self.top_k > 1:
            right = right.any(dim=0)
        counted = None if self.ignore_index is None else targets != self.ignore_index
        if decision.is_binary:
            wrong = (targets != 0) & (targets != 1)
            self._no_answers = (
                self._no_answers + (wrong if counted is None else wrong & counted).count_nonzero()
            )
        if counted is None:
            self._count = self._count + targets.numel()
        else:
            right = right & counted
            self._count = self._count + counted.count_nonzero()
        self._right = self._right + right.count_nonzero()

    def compute(self) -> Tensor:
        """The fraction of right targets since the last reset, on all ranks together."""
        right, count, no_answers = sum_over_ranks(self._right, self._count, self._no_answers)
        if no_answers > 0:
            raise ValueError(f"binary targets must be 0 or 1, got another value in {int(no_answers)} places")
        if count == 0:
            raise ValueError("accuracy must have counted at least one target, got none")
        return torch.as_tensor(right).cpu().double() / int(count)

    def reset(self) -> None:
        """Forget what was counted."""
        self._right = self._count = self._no_answers = 0
