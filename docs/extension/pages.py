"""Writing the pages that are made at build time, and only what has changed."""

import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
WIDTH = 79  # of code and output, in characters


def write(name: str, text: str) -> None:
    """Write a page below ``generated``; one that stays the same keeps its date."""
    page = GENERATED / name
    page.parent.mkdir(parents=True, exist_ok=True)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def is_fresh(name: str, sources: Iterable[Path]) -> bool:
    """Whether a page is newer than what it is made from: the sources, and this extension."""
    page = GENERATED / name
    newest = max(source.stat().st_mtime for source in (*sources, *Path(__file__).parent.glob("*.py")))
    return page.exists() and page.stat().st_mtime > newest


def touch(name: str) -> None:
    """Note that a page is as its sources are now."""
    os.utime(GENERATED / name)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], align: str) -> str:
    """A Markdown table; ``align`` has "l" or "r" for each column."""
    rule = ["---:" if side == "r" else "---" for side in align]
    lines = (head, rule, *rows)
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"


def fenced(text: str, language: str = "text") -> str:
    """A code block."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def figure(ax: "Axes", name: str, alt: str, caption: str = "", *, width: str = "") -> str:
    """Save a figure below ``generated``, and show it."""
    path = GENERATED / name
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    options = f":alt: {alt}\n" + (f":width: {width}\n" if width else "")
    return f"```{{figure}} /generated/{name}\n{options}\n{caption}\n```\n"


def wrapped(text: str) -> str:
    """Output in lines that fit."""
    return "\n".join(textwrap.fill(line, WIDTH, break_long_words=False) for line in text.splitlines())


def command(line: str) -> str:
    """A command of the shell, continued over lines that fit; what is quoted stays together."""
    lines = ["$"]
    for word in re.findall(r"(?:'[^']*'|\S)+", line):
        if len(lines[-1]) + len(word) > WIDTH - 3:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    return fenced("\n".join(lines), "console")
