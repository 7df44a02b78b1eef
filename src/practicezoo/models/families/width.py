"""Networks of a family that are wider or narrower than the paper's."""

import math
from dataclasses import dataclass

__all__ = ["Width"]


@dataclass(frozen=True)
class Width:
    """Scales numbers of channels.

    Args:
        factor: of each number; the result is rounded and at least 1.

    Raises:
        ValueError: if ``factor`` is not positive and finite.

    Example:
        >>> half = Width(0.5)
        >>> half(64), half.each(1, 16, 25)
        (32, (1, 8, 12))
    """

    factor: float

    def __post_init__(self) -> None:
        if not 0 < self.factor < math.inf:
            raise ValueError(f"width must be positive and finite, got {self.factor}")

    def __call__(self, channels: int) -> int:
        """Scale one number of channels."""
        return max(round(channels * self.factor), 1)

    def each(self, *channels: int) -> tuple[int, ...]:
        """Scale several numbers of channels."""
        return tuple(map(self, channels))
