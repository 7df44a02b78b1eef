"""What each code means: read from the one file of these texts."""

import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from practicezoo.arguments import near_matches

__all__ = ["COMMON", "Explanation", "explain", "explanations"]

# What the programs have in common; each replaces some of it.
COMMON = """\
import torch
from torch import nn
import practicezoo
from practicezoo import TensorLoader
inputs, targets = torch.randn(64, 5), torch.arange(64) % 3
loader = TensorLoader(inputs, targets, batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
criterion = nn.CrossEntropyLoss()
"""
WIDTH = 79


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means.

    Attributes:
        code: of a finding.
        group: the heading under which the guide has it.
        meaning: the mistake, in a line.
        why: why it is one.
        wrong: a program that has it, after :data:`COMMON`.
        right: the same program without it.
    """

    code: str
    group: str
    meaning: str
    why: str = ""
    wrong: str = ""
    right: str = ""

    def __str__(self) -> str:
        paragraphs = [f"{self.code}: {self.meaning}".replace("`", "")]
        if self.why:
            paragraphs.append(self.why)
        blocks = [textwrap.fill(each, WIDTH) for each in paragraphs]
        if self.wrong:
            for title, program in (
                ("Both programs begin with", COMMON),
                ("Wrong", self.wrong),
                ("Right", self.right),
            ):
                blocks.append(f"{title}:\n\n{textwrap.indent(program.rstrip(), '    ')}")
        return "\n\n".join(blocks)


@cache
def explanations() -> tuple[Explanation, ...]:
    """All codes, in the order of the guide."""
    text = files("practicezoo.diagnostics").joinpath("codes.toml").read_text(encoding="utf-8")
    return tuple(Explanation(code, **entry) for code, entry in tomllib.loads(text).items())


def explain(code: str) -> Explanation:
    """What a code means.

    Raises:
        ValueError: if there is no such code.

    Example:
        >>> print(explain("zero-learning-rate").meaning)
        a learning rate of 0, without a scheduler that starts there
    """
    known = {each.code: each for each in explanations()}
    if code not in known:
        near = near_matches(code, known)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise ValueError(f"code must be one that `check --list` shows, got {code!r}{hint}")
    return known[code]
