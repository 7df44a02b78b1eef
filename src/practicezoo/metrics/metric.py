"""The protocol of metrics."""

from typing import Any, Protocol, runtime_checkable

__all__ = ["Metric"]


@runtime_checkable
class Metric(Protocol):
    """What ``fit`` and ``evaluate`` ask of a metric; torchmetrics' objects fit as they are."""

    def update(self, outputs: Any, targets: Any, /) -> Any:
        """Count a batch in."""

    def compute(self) -> Any:
        """The value over all batches since the last reset, a number or scalar tensor."""

    def reset(self) -> Any:
        """Forget all batches."""
