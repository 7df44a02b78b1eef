"""Running code of the user's, which may raise anything: nothing else in the check catches it."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from practicezoo.diagnostics.finding import Finding, one_line

__all__ = ["Attempt", "attempt", "failure", "run_probe"]


class Attempt(NamedTuple):
    """What a call returned, or the error that it raised."""

    result: Any
    error: Exception | None


def attempt(function: Callable[..., Any], *args: Any) -> Attempt:
    """Call a function and return its result or its error."""
    try:
        return Attempt(function(*args), None)
    except Exception as error:
        return Attempt(None, error)


def run_probe(
    probe: Callable[..., Iterator[Finding]], *args: Any, fails: Finding
) -> Generator[Finding, None, Any]:
    """The findings of a probe and what it returns; an error in it is the finding ``fails``."""
    try:
        return (yield from probe(*args))
    except Exception as error:
        yield failure(fails, error)


def failure(fails: Finding, error: Exception) -> Finding:
    """The finding ``fails`` with the error's type and message."""
    return replace(fails, message=f"{fails.message}: {one_line(error)}")
