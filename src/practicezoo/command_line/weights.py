"""Trained weights on the command line: card, verify, pack."""

import argparse
from pathlib import Path
from typing import Any

from practicezoo.command_line.options import Options, add_command
from practicezoo.recipes import get_recipe
from practicezoo.recipes.packing import pack, verify
from practicezoo.weights import Weights, list_weights
from practicezoo.weights.records import find_named

__all__ = ["add_weights_commands"]

DIFFERS = 1


def add_weights_commands(commands: Any, options: Options) -> None:
    """Declare the commands that work on trained weights."""
    card = add_command(commands, _card, "show the card of trained weights")
    card.add_argument("name", metavar="NAME[/TAG]", help="as `list --weights` shows it")
    checked = add_command(commands, _verify, "compare trained weights with their cards", options.data)
    checked.add_argument("names", nargs="*", metavar="NAME[/TAG]", help="default: all that come along")
    packed = add_command(
        commands, _pack, "measure a finished run; write weights, record and card", options.name, options.data
    )
    packed.add_argument("--run", dest="folder", type=Path, required=True, metavar="DIR", help="of the run")
    packed.add_argument("--tag", required=True, help="names the data and the date")
    packed.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    packed.add_argument(
        "--others",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="runs of other seeds, for the spread",
    )
    packed.add_argument("--default", action="store_true", help="make them the model's default")
    packed.add_argument("--command", metavar="TEXT", help="what trains them; default: from the run's record")


def _card(options: argparse.Namespace) -> None:
    print(find_named(options.name).card, end="")


def _verify(options: argparse.Namespace) -> int:
    chosen = [weights for name in options.names for weights in _named(name)] or list_weights()
    verdicts = []
    for weights in chosen:
        verdict = verify(weights, root=options.data)
        print(f"{weights}: {'holds' if verdict.holds else 'DIFFERS'}: {verdict.text}", flush=True)
        verdicts.append(verdict.holds)
    return 0 if all(verdicts) else DIFFERS


def _pack(options: argparse.Namespace) -> None:
    pack(
        get_recipe(options.name),
        options.folder,
        options.out,
        tag=options.tag,
        default=options.default,
        root=options.data,
        command=options.command,
        others=options.others,
    )
    print(f"wrote {options.out}")


def _named(name: str) -> list[Weights]:
    """The weights of a name with a tag, or all of a model."""
    return [find_named(name)] if "/" in name else list_weights(find_named(name).model)
