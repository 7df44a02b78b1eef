"""The documentation: complete, and its programs run."""

import doctest
import importlib
import re
import runpy
from pathlib import Path

import pytest

import practicezoo

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


PAGES_WITH_SESSIONS = [
    page for page in (ROOT / "docs").glob("*.md") if ">>> " in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES_WITH_SESSIONS, ids=lambda page: page.name)
def test_console_sessions_in_the_guide_are_true(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(page), module_relative=False, optionflags=flags, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.mark.slow
def test_the_readmes_program_prints_what_the_readme_says(capsys):
    (program,), (output,) = blocks(ROOT / "README.md", "python"), blocks(ROOT / "README.md", "text")
    exec(program, {})  # noqa: S102
    number = r"accuracy\D+([\d.]+)"
    printed = re.findall(number, capsys.readouterr().out)
    assert float(printed[-1]) == pytest.approx(float(*re.findall(number, output)), abs=0.02)


@pytest.mark.parametrize("language", ["python", "text", "console", "pycon"])
def test_the_chinese_readme_shows_the_same_programs(language):
    programs = [
        [re.sub(r" *#.*", "", block) for block in blocks(ROOT / name, language)]
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert programs[0] == programs[1]


CODE = re.compile(r"^```(?:python|pycon|console|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("README*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_fits_79_columns(page):
    lines = "\n".join(CODE.findall(page.read_text(encoding="utf-8"))).splitlines()
    assert [line for line in lines if len(line) > 79] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "example", sorted((ROOT / "docs" / "examples").glob("*.py")), ids=lambda path: path.name
)
def test_the_guides_programs_run(example, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    assert re.search("accuracy|nodes", capsys.readouterr().out)


@pytest.mark.parametrize(
    "example", sorted((ROOT / "docs" / "examples" / "blocks").glob("*.py")), ids=lambda path: path.stem
)
def test_every_block_has_a_program_that_composes_it(example, capsys):
    runpy.run_path(str(example), run_name="__main__")
    assert "torch.Size" in capsys.readouterr().out
    assert example.stem in practicezoo.__all__
