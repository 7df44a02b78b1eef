"""The command line: its commands, and how it ends."""

import argparse
import io
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import practicezoo
from practicezoo.command_line.asking import add_predict_command
from practicezoo.command_line.exporting import add_export_command
from practicezoo.command_line.options import Options
from practicezoo.command_line.recipes import add_recipe_commands
from practicezoo.command_line.weights import add_weights_commands
from practicezoo.runtime.processes import launched_rank

__all__ = ["main", "make_parser"]

BAD_INPUT, INTERRUPTED, UNREAD = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the program's name; default: ``sys.argv``.

    Returns:
        The exit status: 0, or 1 if ``check`` found something or ``predict`` refused a sample, 2 for bad
        input, 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a missing letter is shown by its code
            stream.reconfigure(errors="backslashreplace")
    try:
        options = make_parser().parse_args(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return options.run(options) or 0
    except KeyboardInterrupt:
        _complain("\npracticezoo: interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stdout = None  # so that nothing is flushed into it at exit
        return UNREAD
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        _complain(f"practicezoo: {error}")
        return BAD_INPUT


def _complain(line: str) -> None:
    if launched_rank() == 0:
        print(line, file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line, as errors are."""
    _complain(f"practicezoo: {message}")


def make_parser() -> argparse.ArgumentParser:
    """The parser, with every command."""
    parser = argparse.ArgumentParser(prog="practicezoo", description=practicezoo.__doc__)
    parser.add_argument("--version", action="version", version=f"practicezoo {practicezoo.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    options = Options()
    add_recipe_commands(commands, options)
    add_predict_command(commands, options)
    add_export_command(commands, options)
    add_weights_commands(commands, options)
    return parser
