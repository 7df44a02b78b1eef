"""What a check found, and the wording of its messages."""

import re
from dataclasses import dataclass

__all__ = ["Finding", "one_line"]

NUM_LETTERS = 240


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


def one_line(error: BaseException) -> str:
    """An error's type and message, in one line, without addresses in memory."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(error).split())).rstrip(".")
    shown = text if len(text) <= NUM_LETTERS else f"{text[:NUM_LETTERS]}..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
