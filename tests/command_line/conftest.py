"""A short run, whose checkpoint the commands are asked about."""

import pytest

from practicezoo.cli import main


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "names_gru", "--epochs", "1", "--device", "cpu", "--out", str(folder)]) == 0
    return folder / "checkpoint.pt"
