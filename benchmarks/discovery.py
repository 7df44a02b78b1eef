"""Find the scripts: every module of this package that defines `run`."""

import ast
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

__all__ = ["load", "summaries"]

FOLDER = Path(__file__).parent


def summaries() -> dict[str, str]:
    """Map each script's name to the first line of its docstring, without importing any."""
    found = {}
    for module in pkgutil.iter_modules([str(FOLDER)]):
        tree = ast.parse((FOLDER / f"{module.name}.py").read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[module.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def load(name: str) -> Callable[..., dict]:
    """Import a script and return its `run(*, device, quick)`."""
    return import_module(f"benchmarks.{name}").run
