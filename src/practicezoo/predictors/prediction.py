"""What a model says of one sample."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one sample; ``str`` of it is one readable line.

    Attributes:
        sample: what was asked about.
        ranking: answers with their probabilities, the likeliest first; None for an answer that has none.
        value: the number that a regression gives, or a list of them; None for classes.
        notes: what was done to the sample before the model saw it, such as "inverted".

    Example:
        >>> print(Prediction("Ng", [("Chinese", 0.75), ("Korean", 0.25)]))
        Ng: Chinese 75.0 %, Korean 25.0 %
    """

    sample: str
    ranking: Sequence[tuple[str, float | None]]
    value: float | list[float] | None = None
    notes: Sequence[str] = ()

    @property
    def label(self) -> str:
        """The likeliest answer; of a tagger one label a character."""
        return self.ranking[0][0]

    @property
    def probability(self) -> float | None:
        """The probability of :attr:`label`; None if it has none."""
        return self.ranking[0][1]

    @property
    def answer(self) -> str:
        """The ranking in words."""
        return ", ".join(
            label if probability is None else f"{label} {100 * probability:.1f} %"
            for label, probability in self.ranking
        )

    def __str__(self) -> str:
        notes = f" ({', '.join(self.notes)})" if self.notes else ""
        return f"{self.sample}: {self.answer}{notes}"

    def as_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return {**asdict(self), "label": self.label, "probability": self.probability}

    @classmethod
    def from_logits(
        cls,
        sample: str,
        logits: Tensor,
        classes: Sequence[str],
        *,
        top: int | None = None,
        notes: Sequence[str] = (),
    ) -> Self:
        """The ranking of one row of logits.

        Args:
            sample: what was asked about.
            logits: ``(num_classes,)``.
            classes: the labels.
            top: how many labels to keep; None for all.
            notes: what was done to the sample.
        """
        ranked = logits.softmax(dim=0).sort(descending=True, stable=True)
        pairs = zip(ranked.indices[:top].tolist(), ranked.values[:top].tolist(), strict=True)
        return cls(sample, [(classes[index], probability) for index, probability in pairs], notes=notes)
