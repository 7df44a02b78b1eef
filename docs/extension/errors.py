"""A page on the findings of ``check``: each made by the wrong program that is shown with it."""

from typing import Any

import torch

from extension.pages import ROOT, fenced, is_fresh, touch, wrapped, write
from practicezoo.diagnostics import Finding, check
from practicezoo.diagnostics.explaining import COMMON, Explanation, explanations

PAGE = "errors.md"

HEAD = f"""# Errors that check finds

Every code of {{func}}`practicezoo.check`: what is wrong and why, what is found, and how to mend it. The
findings were made at this site's build, by the wrong programs below them. See [](/checking.md) for
how to use it. `python -m practicezoo check --explain CODE` prints the same text.

All programs begin with these lines, and replace some of them:

{fenced(COMMON, "python")}"""


def write_errors() -> None:
    """Write the page, unless the library's checks are older than it."""
    folder = ROOT / "src" / "practicezoo" / "diagnostics"
    if is_fresh(PAGE, [path for path in folder.rglob("*") if path.is_file()]):
        return
    parts, group = [HEAD], ""
    for each in explanations():
        if each.group != group:
            group = each.group
            parts.append(f"## {group}\n")
        parts.append(_section(each, finding_of(each)))
    write(PAGE, "\n".join(parts))
    touch(PAGE)


def finding_of(each: Explanation) -> Finding:
    """What a check finds in the wrong program."""
    torch.manual_seed(0)
    made: dict[str, Any] = {}
    exec(COMMON + each.wrong, made)  # noqa: S102
    others = ("criterion", "optimizer", "val_loader", "lr_scheduler", "epochs")
    given = {name: made[name] for name in others if name in made}
    (finding,) = check(made["model"], made["loader"], **given)
    return finding


def _section(each: Explanation, finding: Finding) -> str:
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
