"""Trained weights on the command line."""

from typing import Any

from practicezoo.command_line.options import Options

__all__ = ["add_weights_commands"]


def add_weights_commands(commands: Any, options: Options) -> None:
    """Declare the commands that work on trained weights."""
