"""The documentation: complete, and its programs run."""

import importlib
import re
import runpy
from pathlib import Path

import pytest

import practicezoo
from support.pages import PAGES, blocks

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "blocks",
    "models",
    "weights",
    "predictors",
    "data",
    "metrics",
    "training",
    "export",
    "diagnostics",
    "graph",
    "recipes",
    "plotting",
)


ENTRY = r"^(?:   |\.\. (?:auto(?!summary|module)\w+|py:data):: practicezoo\.)([A-Za-z][\w.]*)$"


def documented_names() -> set[str]:
    """What the reference has an entry for: each line of its summaries becomes a page."""
    pages = (ROOT / "docs" / "api").glob("*.md")
    return {
        f"practicezoo.{name}"
        for page in pages
        for name in re.findall(ENTRY, page.read_text(encoding="utf-8"), re.MULTILINE)
    }


def find(entry: str) -> object:
    """What an entry is about."""
    if entry.removeprefix("practicezoo.") in PACKAGES:
        return importlib.import_module(entry)
    module, _, name = entry.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_entry_in_the_api_pages(package):
    names = importlib.import_module(f"practicezoo.{package}").__all__
    module = importlib.import_module(f"practicezoo.{package}")
    documented = {id(find(entry)) for entry in documented_names()}  # at one of the places it is imported from
    assert [name for name in names if id(getattr(module, name)) not in documented] == []


def test_every_headline_name_has_an_entry_and_every_entry_exists():
    documented = documented_names()
    assert {f"practicezoo.{name}" for name in practicezoo.__all__} <= documented
    for entry in documented:
        module, _, name = entry.rpartition(".")
        assert entry.removeprefix("practicezoo.") in PACKAGES or hasattr(
            importlib.import_module(module or entry), name
        )


@pytest.mark.parametrize("language", ["python", "text", "console", "pycon"])
def test_the_chinese_readme_shows_the_same_programs(language):
    programs = [
        [re.sub(r" *#.*", "", block.code) for block in blocks(ROOT / name) if block.kind == language]
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert programs[0] == programs[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_fits_79_columns(page):
    kinds = {"python", "pycon", "console", "text", "{code-block}"}
    code = [block.code for block in blocks(page) if block.kind in kinds]
    assert [line for line in "\n".join(code).splitlines() if len(line) > 79] == []


@pytest.mark.parametrize(
    "example", sorted((ROOT / "docs" / "examples" / "blocks").glob("*.py")), ids=lambda path: path.stem
)
def test_every_block_has_a_program_that_composes_it(example, capsys):
    runpy.run_path(str(example), run_name="__main__")
    assert "torch.Size" in capsys.readouterr().out
    assert example.stem in practicezoo.__all__
