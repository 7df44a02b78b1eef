"""The protocol of metrics, and what else can be measured like one."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_instances
from practicezoo.batches import move_to, num_items
from practicezoo.metrics.loss import weighted
from practicezoo.runtime.collectives import sum_over_ranks

__all__ = ["Function", "Metric", "as_metrics", "check_reads_logits", "values_of"]


Function: TypeAlias = Callable[[Any, Any], Any]  # of outputs and targets, averaged over items


@runtime_checkable
class Metric(Protocol):
    """What ``fit`` and ``evaluate`` ask of a metric; torchmetrics' objects fit as they are."""

    def update(self, outputs: Any, targets: Any, /) -> Any:
        """Count a batch in."""

    def compute(self) -> Any:
        """The value over all batches since the last reset: a number, a tensor, or a dict of them."""

    def reset(self) -> Any:
        """Forget all batches."""


class _MeanOf:
    """A function of outputs and targets, averaged over items."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.reset()

    def reset(self) -> None:
        self._sum: Tensor | float = 0.0
        self._count: Tensor | float = 0

    def update(self, outputs: Any, targets: Any, /) -> None:
        value = torch.as_tensor(self.function(outputs, targets))
        count = num_items(targets, beside=outputs)
        self._sum = self._sum + weighted(value.detach(), count)
        self._count = self._count + count

    def compute(self) -> Tensor | float:
        total, count = sum_over_ranks(self._sum, self._count)
        return total / count


def as_metrics(metrics: Mapping[str, Any] | None, device: torch.device | None = None) -> dict[str, Metric]:
    """The metrics by name, functions among them averaged over items; reset, and on the device.

    Raises:
        TypeError: if they are no dict, or one is neither a metric nor a function; the message names it.
    """
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"metrics must be a dict of metrics by name, got {type(metrics).__name__}: "
            'give {"name": metric}'
        )
    check_instances(**{str(name): metric for name, metric in metrics.items()})
    found: dict[str, Metric] = {}
    for name, metric in metrics.items():
        if isinstance(metric, Metric):
            found[name] = metric
        elif callable(metric) and not isinstance(metric, nn.Module):
            found[name] = _MeanOf(metric)
        else:
            raise TypeError(
                f"metrics[{name!r}] must have update, compute and reset, or be a function of outputs and "
                f"targets, got {type(metric).__name__}"
            )
    if device is not None:
        for metric in found.values():
            metric.reset()
            if hasattr(metric, "to"):
                metric.to(device)
    return found


def values_of(name: str, metric: Metric) -> dict[str, float]:
    """The metric's value as numbers: of a vector ``name_0`` and so on, of a dict ``name_key``.

    Raises:
        TypeError: if the value cannot be read as numbers; the message names the metric.
    """
    try:
        value = metric.compute()
    except Exception as error:
        error.add_note(f"raised by the metric {name!r}")
        raise
    return _numbers(name, value, name)


def _numbers(name: str, value: Any, metric: str) -> dict[str, float]:
    if isinstance(value, Mapping):
        parts = {f"{name}_{key}": each for key, each in value.items()}
    elif isinstance(value, Tensor) and value.ndim == 1:
        parts = {f"{name}_{index}": each for index, each in enumerate(move_to(value, "cpu"))}
    elif isinstance(value, tuple | list):
        parts = {f"{name}_{index}": each for index, each in enumerate(value)}
    else:
        try:
            return {name: float(value)}
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
            raise TypeError(
                f"the metric {metric!r} must compute a number, a vector or a dict of numbers, "
                f"got {type(value).__name__}{shape}"
            ) from None
    return {
        key: number for part, each in parts.items() for key, number in _numbers(part, each, metric).items()
    }


def check_reads_logits(criterion: object, metrics: Mapping[str, Any]) -> None:
    """Raise ValueError for an accuracy that takes the probabilities of BCELoss for logits."""
    if type(criterion) is not nn.BCELoss:
        return
    for name, metric in metrics.items():
        if getattr(metric, "threshold", 0) is None and hasattr(metric, "top_k"):
            raise ValueError(
                f"metrics[{name!r}] reads logits, and BCELoss takes probabilities: give "
                "Accuracy(threshold=0.5), or train on logits with BCEWithLogitsLoss"
            )
