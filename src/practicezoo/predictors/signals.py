"""Signals as networks over steps take them."""

from dataclasses import dataclass
from typing import Any, ClassVar

from practicezoo.predictors.inputs import RowInput
from practicezoo.predictors.preprocessing import Prepared, is_array, register_kind

__all__ = ["SignalInput"]

NUM_NAMED = 3


@register_kind
@dataclass(frozen=True)
class SignalInput(RowInput):
    """Signals of one number at each of so many steps, or a text of them with commas between.

    An array of signals may have the shape of the network's input, ``(N, num_features, 1)``, too.

    Args:
        num_features: numbers of a signal, one a step.

    Example:
        >>> SignalInput(3)([[1, 2, 3], "4,5,6"]).shape
        torch.Size([2, 3, 1])
    """

    kind: ClassVar[str] = "signal"

    def is_one(self, samples: Any) -> bool:
        """Whether it is a text, or a list or array of numbers."""
        return super().is_one(self._flat(samples))

    def prepare(self, samples: Any) -> Prepared:
        """The signals ``(N, num_features, 1)``."""
        if isinstance(samples, list | tuple):
            samples = [self._flat(sample) for sample in samples]
        prepared = super().prepare(self._flat(samples))
        names = [self._name(signal) for signal in prepared.inputs.tolist()]
        return prepared._replace(inputs=prepared.inputs.unsqueeze(-1), names=names)

    def _name(self, signal: list[float]) -> str:
        """How a signal is called: its first numbers."""
        shown = ",".join(f"{value:.3g}" for value in signal[:NUM_NAMED])
        return shown if len(signal) <= NUM_NAMED else f"{shown},... ({len(signal)} numbers)"

    def _flat(self, samples: Any) -> Any:
        """An array of signals with one value a step, without that last dimension."""
        if is_array(samples) and samples.ndim > 1 and samples.shape[-2:] == (self.num_features, 1):
            return samples[..., 0]
        return samples
