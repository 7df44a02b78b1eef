"""What pyproject.toml promises is what is tested."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TOOLS = {"test", "frameworks", "bench", "docs", "dev"}


def split(requirements, operator):
    """Name and version of each requirement that has the operator."""
    return dict(text.split(operator) for text in requirements if operator in text)


def test_the_oldest_versions_that_are_promised_are_those_that_are_tested():
    oldest = ROOT / ".ci" / "oldest.txt"
    if not oldest.is_file():
        pytest.skip("a source archive holds no .ci")
    tested = split(oldest.read_text(encoding="utf-8").splitlines(), "==")
    libraries = [text for extra, texts in EXTRAS.items() if extra not in TOOLS for text in texts]
    promised = split(PROJECT["dependencies"] + libraries, ">=")
    assert tested.keys() == promised.keys()
    for name, version in promised.items():
        assert re.fullmatch(rf"{re.escape(version)}(\.\d+)*", tested[name]), name


def test_tools_are_pinned_exactly():
    tools = [text for extra in TOOLS for text in EXTRAS[extra] if not text.startswith("practicezoo[")]
    assert [text for text in tools if not re.fullmatch(r"[\w-]+==[\d.]+", text)] == []


def test_worker_processes_of_pytest_are_told_where_the_real_data_is(tmp_path):
    command = [sys.executable, "-m", "pytest", "-n", "1", "-rs", "-m", "realdata and not slow"]
    environment = {**os.environ, "PRACTICEZOO_DATA": str(tmp_path)}  # a folder that lacks the files
    for name in (
        "PYTEST_XDIST_WORKER",
        "PYTEST_XDIST_WORKER_COUNT",
        "PYTEST_XDIST_TESTRUNUID",
        "PRACTICEZOO_TEST_DATA",
    ):
        environment.pop(name, None)
    ran = subprocess.run(
        [*command, "tests/data/test_names_sources.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"PRACTICEZOO_DATA lacks {tmp_path}" in ran.stdout
    assert "PRACTICEZOO_DATA is not set" not in ran.stdout
