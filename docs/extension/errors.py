"""A page on the findings of ``check``: each made by a program with just this mistake, from the tests."""

from typing import Any

import torch

from extension.pages import ROOT, fenced, is_fresh, touch, wrapped, write
from practicezoo.diagnostics.explaining import COMMON, Explanation, explanations

PAGE = "errors.md"

HEAD = f"""# Errors that check finds

Every code of {{func}}`practicezoo.check`: what is wrong and why, what is found, and how to mend it. The
findings below were made at this site's build, by programs with just this mistake. See [](/checking.md) for
how to use it. `python -m practicezoo check --explain CODE` prints the same text.

All programs begin with these lines, and replace some of them:

{fenced(COMMON, "python")}"""


def write_errors() -> None:
    """Write the page, unless the library's checks are older than it."""
    folders = (ROOT / "src" / "practicezoo" / "diagnostics", ROOT / "tests" / "support")
    if is_fresh(PAGE, [path for folder in folders for path in folder.rglob("*") if path.is_file()]):
        return
    found = findings()
    parts, group = [HEAD], ""
    for each in explanations():
        if each.group != group:
            group = each.group
            parts.append(f"## {group}\n")
        parts.append(_section(each, found[each.code]))
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


def _section(each: Explanation, finding: Any) -> str:
    """A code's anchor, meaning, reason, finding and programs."""
    return "\n".join(
        [
            f"({each.code})=\n### {each.code}\n",
            f"{each.meaning[0].upper()}{each.meaning[1:]}.\n",
            f"{each.why}\n",
            fenced(wrapped(f"{finding.code}: {finding.message}")),
            f"**Fix:** {finding.fix}.\n",
            f"Wrong:\n\n{fenced(each.wrong, 'python')}",
            f"Right:\n\n{fenced(each.right, 'python')}",
        ]
    )
