"""The pages whose programs use an object, below its entry in the reference."""

import functools
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?:python|pycon)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INCLUDED = re.compile(r"literalinclude\} (\S+)")


@functools.cache
def programs() -> dict[str, str]:
    """The code of each page, by the page's name."""
    found = {}
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        files = [(HERE / name).read_text(encoding="utf-8") for name in INCLUDED.findall(text)]
        found[page.stem] = "\n".join(FENCE.findall(text) + files)
    return found


class Uses(SphinxDirective):
    """``.. uses:: practicezoo.fit`` lists the pages with a program that names ``fit``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        name = self.arguments[0].rpartition(".")[2]
        pages = [page for page, code in programs().items() if re.search(rf"\b{name}\b", code)]
        if (HERE / "generated" / "blocks" / f"{name}.md").exists():
            pages.insert(0, f"generated/blocks/{name}")
        if not pages:
            return []
        links = ", ".join(f":doc:`/{page}`" for page in pages)
        parsed, messages = self.parse_inline(f"Programs that use it: {links}.")
        return [nodes.paragraph("", "", *parsed, classes=["uses"]), *messages]
