"""Whatever the user's code raises becomes a finding; what ends the process does not."""

import pytest

from practicezoo.diagnostics import Finding
from practicezoo.diagnostics.attempt import attempt, run_probe

FAILS = Finding("reading-fails", "reading failed", "read again")
FOUND = Finding("no-batch", "there is no batch", "add one")


class OddError(Exception):
    """An error that no library knows."""


def fail(error):
    raise error


def probe(error=None):
    yield FOUND
    if error is not None:
        raise error
    return 3


def run(*args):
    """The findings of the probe, and what it returned."""
    returned = []

    def collect():
        returned.append((yield from run_probe(probe, *args, fails=FAILS)))

    return list(collect()), *returned


def test_a_call_that_succeeds_has_a_result_and_no_error():
    assert attempt(max, 1, 2) == (2, None)


def test_a_call_that_fails_has_an_error_and_no_result():
    error = OddError("odd")
    assert attempt(fail, error) == (None, error)


def test_a_probe_gives_its_findings_and_what_it_returns():
    assert run() == ([FOUND], 3)


def test_an_error_in_a_probe_comes_behind_what_it_found_before():
    findings, returned = run(OddError("odd\nthing."))
    assert findings == [FOUND, Finding("reading-fails", "reading failed: OddError: odd thing", "read again")]
    assert returned is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_not_caught(error):
    with pytest.raises(error):
        attempt(fail, error())
    with pytest.raises(error):
        run(error())
