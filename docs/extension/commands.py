"""A page on the command line, from its parser."""

import argparse
import os
from unittest import mock

from extension.pages import WIDTH, fenced, write
from practicezoo.cli import make_parser

HEAD = """# Command line

`python -m practicezoo` and `practicezoo` are the same. Bad input ends with one line and the exit status 2.
"""


def write_commands() -> None:
    """Write the page."""
    with mock.patch.dict(os.environ, COLUMNS=str(WIDTH + 2), NO_COLOR="1"):
        actions = make_parser()._actions  # noqa: SLF001
        (commands,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
        told = {choice.dest: choice.help for choice in commands._choices_actions}  # noqa: SLF001
        parts = [
            f"## {name}\n\n{_sentence(told.get(name) or '')}\n\n{fenced(parser.format_help())}"
            for name, parser in commands.choices.items()
        ]
    write("commands.md", "\n".join([HEAD, *parts]))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
