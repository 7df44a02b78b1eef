"""Checks of arguments, and how their errors are worded: the argument, the rule, the value."""

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "PATH_STARTS",
    "as_list",
    "as_path",
    "check_choice",
    "check_count",
    "check_counts",
    "check_fraction",
    "check_instances",
    "check_restartable",
    "listed",
    "near_matches",
    "near_paths",
    "shorten",
]

_T = TypeVar("_T")

NUM_NAMED = 3
PATH_STARTS = ("./", "../", "/")
MOST_LOOKED_AT = 1000  # files in a folder, for near names
LONGEST = 80  # characters of a value in a message


def check_count(*, at_least: int = 1, **arguments: Any) -> None:
    """Raise for the first argument that is no integer (TypeError) or too small (ValueError)."""
    for argument, value in arguments.items():
        if not isinstance(value, Integral):
            raise TypeError(f"{argument} must be an integer, got {value!r}")
        if value < at_least:
            raise ValueError(f"{argument} must be at least {at_least}, got {value}")


def check_counts(argument: str, counts: Any, *, length: int | None = None, filled: bool = False) -> None:
    """Raise ValueError unless these are ``length`` integers (default: any number of them) of at least 1.

    Args:
        argument: what an error calls them.
        counts: what was given.
        length: how many there must be.
        filled: whether there must be one at least.
    """
    if (
        not isinstance(counts, Sequence)
        or not all(isinstance(count, Integral) and int(count) >= 1 for count in counts)
        or length not in {None, len(counts)}
        or (filled and not counts)
    ):
        number = "one or more " if filled else "" if length is None else f"{length} "
        raise ValueError(f"{argument} must be {number}integers of at least 1, got {counts!r}")


def check_choice(choices: Collection[str], *, of: str = "", **arguments: Any) -> None:
    """Raise ValueError for the first argument that is none of ``choices``; ``of`` says whose they are."""
    for argument, value in arguments.items():
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{argument} must be one of {', '.join(choices)}{of}, got {value!r}")


def check_fraction(**arguments: float) -> None:
    """Raise ValueError for the first argument outside [0, 1)."""
    for argument, value in arguments.items():
        if not 0 <= value < 1:
            raise ValueError(f"{argument} must lie in [0, 1), got {value}")


def check_instances(**arguments: object) -> None:
    """Raise TypeError for the first argument that is a class."""
    for argument, value in arguments.items():
        if isinstance(value, type):
            raise TypeError(f"{argument} must be an instance, got the class {value.__name__}")


def check_restartable(**loaders: object) -> None:
    """Raise ValueError for the first loader that can be iterated over only once."""
    for argument, loader in loaders.items():
        if hasattr(loader, "__next__"):
            raise ValueError(
                f"{argument} must be a loader or a list that can be iterated over again, "
                f"got {type(loader).__name__}"
            )


def as_list(value: _T | Iterable[_T] | None) -> list[_T]:
    """None, one or several of something as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:NUM_NAMED])
    return shown if len(names) <= NUM_NAMED else f"{shown} and {len(names) - NUM_NAMED} more"


def shorten(value: object) -> str:
    """How a message shows a value: its repr, cut in the middle if it is long."""
    shown = repr(value)
    return shown if len(shown) <= LONGEST else f"{shown[:50]}...{shown[-20:]}"


def near_matches(name: object, known: Iterable[str], *, cutoff: float = 0.5) -> list[str]:
    """At most three of the known names that are like a name, whatever its case.

    Example:
        >>> near_matches("MNIST-cnn", ["mnist_cnn", "names_gru"])
        ['mnist_cnn']
    """
    by_case = {each.lower(): each for each in known}
    return [
        by_case[near] for near in difflib.get_close_matches(str(name).lower(), by_case, n=3, cutoff=cutoff)
    ]


def near_paths(path: Path) -> str:
    """What a message adds on a path that is not there: what lies beside it and is called like it."""
    try:
        beside = [other.name for other in islice(path.parent.iterdir(), MOST_LOOKED_AT)]
    except OSError:  # there is no such folder either, or it cannot be read
        return ""
    near = near_matches(path.name, beside, cutoff=0.7)
    return f"; near: {', '.join(str(path.parent / name) for name in near)}" if near else ""


def as_path(source: str | Path, *, argument: str = "source") -> Path | None:
    """The path that a source is, where names may stand too; None for a name.

    A ``Path`` is one, and a string that begins with ``./``, ``../`` or ``/`` or ends in a file's suffix; what
    lies in the current folder makes no difference.

    Example:
        >>> as_path("names_gru"), as_path("names_gru/names-2026.11")
        (None, None)
        >>> as_path("./names_gru").name, as_path("run.pt").name
        ('names_gru', 'run.pt')
    """
    if isinstance(source, Path):
        return source
    if not isinstance(source, str):
        raise TypeError(f"{argument} must be a name or a path, got {source!r}")
    # a suffix begins with a letter: the tag names-2026.11 has none
    is_path = (
        source.startswith(PATH_STARTS) or re.search(r"\.[A-Za-z]\w*$", source) or Path(source).is_absolute()
    )
    return Path(source) if is_path else None
