"""What a check found."""

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a program.

    Attributes:
        code: what kind of mistake it is; the guide lists them all.
        message: what was found, with names and values.
        fix: what to do about it.

    Example:
        >>> print(Finding("zero-learning-rate", "SGD has a learning rate of 0", "set lr"))
        zero-learning-rate: SGD has a learning rate of 0. Fix: set lr
    """

    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}. Fix: {self.fix}"
