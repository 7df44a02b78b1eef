"""Tests run in two processes, unless the command line says how many or is there to watch one."""

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Set what ``-n 2 --dist=worksteal`` would: a process that is done takes tests from the other one."""
    option = config.option
    if hasattr(config, "workerinput") or getattr(option, "numprocesses", 0) is not None or option.tx:
        return  # one of the two itself; without pytest-xdist; told by the user
    if option.usepdb or option.trace or option.capture == "no":
        return
    option.numprocesses = 2
    if option.dist == "no":
        option.dist = "worksteal"
