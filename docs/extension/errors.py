"""A page on the findings of ``check``: each made by a program with just this mistake, from the tests."""

import re
from typing import Any

import torch

from extension.pages import DOCS, ROOT, fenced, is_fresh, touch, wrapped, write

PAGE = "errors.md"
GUIDE = DOCS / "checking.md"
SECTION = re.compile(r"^\*\*(.+)\*\*$")
ROW = re.compile(r"^\| \[`([\w-]+)`\]\S+ \| (.+) \|$")

HEAD = """# Errors that check finds

Every code of {func}`practicezoo.check`: what is wrong, what is found, and how to mend it. The findings below
were made at this site's build, by programs with just this mistake. See [](/checking.md) for how to use it.
"""


def write_errors() -> None:
    """Write the page, unless the library's checks are older than it."""
    diagnostics = ROOT / "src" / "practicezoo" / "diagnostics"
    if is_fresh(PAGE, [GUIDE, *diagnostics.rglob("*.py"), *(ROOT / "tests" / "support").glob("*.py")]):
        return
    found = findings()
    parts = [HEAD]
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        if section := SECTION.match(line):
            parts.append(f"## {section[1]}\n")
        elif row := ROW.match(line):
            code, meaning = row.groups()
            parts += [
                f"({code})=\n### {code}\n",
                f"{meaning[0].upper()}{meaning[1:]}.\n",
                _shown(found[code]),
            ]
    write(PAGE, "\n".join(parts))
    touch(PAGE)


def findings() -> dict[str, Any]:
    """The finding with each code, from the first program that has it."""
    from support.planted import PLANTED

    found: dict[str, Any] = {}
    for code, make in PLANTED:
        if code not in found:
            torch.manual_seed(0)
            found[code] = next(finding for finding in make().check() if finding.code == code)
    return found


def _shown(finding: Any) -> str:
    return fenced(wrapped(f"{finding.code}: {finding.message}")) + f"\n**Fix:** {finding.fix}.\n"
