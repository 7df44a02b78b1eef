"""What ``fit`` measures after each epoch."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from practicezoo.metrics.direction import Direction, Measures
from practicezoo.metrics.metric import Function, Metric, as_metrics, check_reads_logits
from practicezoo.training.evaluation import evaluate
from practicezoo.training.run import Run

__all__ = ["Validation"]


class Validation:
    """The loss and metrics of a validation loader; nothing without one.

    Args:
        loader: gives pairs of inputs and targets, or None.
        metrics: what to measure beside the loss, by name.
        criterion: what the model is trained with.

    Attributes:
        directions: whether lower or higher is better, of the metrics that tell it.

    Raises:
        TypeError: if ``metrics`` is not a dict of metrics.
        ValueError: if metrics come without a loader, or one takes the criterion's probabilities for logits.
    """

    def __init__(
        self, loader: Iterable[Any] | None, metrics: Mapping[str, Metric | Function] | None, criterion: object
    ) -> None:
        check_reads_logits(criterion, as_metrics(metrics))
        if metrics and loader is None:
            raise ValueError(
                f"val_loader must be given to measure {', '.join(map(repr, metrics))} on, got none"
            )
        self.loader = loader
        self.metrics = metrics
        self.directions: dict[str, Direction] = {
            f"val_{name}": "max" if higher else "min"
            for name, metric in (metrics or {}).items()
            if (higher := getattr(metric, "higher_is_better", None)) is not None
        }

    def measures(self, *others: str) -> Measures:
        """The measures of a history that has these and ``others``."""
        own = () if self.loader is None else ("val_loss",)
        return Measures((*others, *own), tuple(f"val_{name}" for name in self.metrics or ()))

    def measure(self, run: Run) -> dict[str, float]:
        """The values of the model as it is now."""
        if self.loader is None:
            return {}
        step = run.step
        measured = evaluate(
            step.replica.local,
            self.loader,
            criterion=step.criterion,
            metrics=self.metrics,
            precision=step.precision,
        )
        if not math.isfinite(measured["loss"]):
            raise run.divergence("val_loss", measured["loss"], f"after update {run.num_updates}")
        return {f"val_{name}": value for name, value in measured.items()}
