"""Links from where an object is defined, as signatures name it, to where it is documented."""

import functools
import importlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

HERE = Path(__file__).parents[1]
ENTRY = re.compile(
    r"^(?:   |\.\. (?:auto(?!summary|module)\w+|py:data):: practicezoo\.)([A-Za-z][\w.]*)$", re.MULTILINE
)


def documented_names() -> list[str]:
    """What the pages of the reference have an entry for, at the place it is imported from."""
    pages = sorted((HERE / "api").glob("*.md"))
    return [
        f"practicezoo.{name}" for page in pages for name in ENTRY.findall(page.read_text(encoding="utf-8"))
    ]


def find(name: str) -> object:
    """The object that a full name means; ``None`` where there is none."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except (ImportError, ValueError):
        return None


@functools.cache
def homes() -> dict[int, str]:
    """The documented name of each object, by its id."""
    return {id(thing): name for name in documented_names() if (thing := find(name)) is not None}


@functools.cache
def short_names() -> dict[str, str]:
    """The documented name of each object, by its last part."""
    return {name.rpartition(".")[2]: name for name in documented_names()}


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element
) -> nodes.Element | None:
    """Resolve ``practicezoo.blocks.conv.ConvNormAct`` or ``ConvNormAct`` as ``practicezoo.ConvNormAct``."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    thing = find(target) if target.startswith("practicezoo.") else None
    name = homes().get(id(thing)) if thing is not None else short_names().get(target)
    if name is None or name == target:
        return None
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)
