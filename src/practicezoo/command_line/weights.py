"""Trained weights on the command line: card, verify, pack."""

import argparse
from pathlib import Path
from typing import Any

from practicezoo.command_line.options import Options, add_command
from practicezoo.recipes import get_recipe
from practicezoo.recipes.packing import pack, remeasure, verify
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
        commands, _pack, "measure a finished run; write weights, record and card", options.data
    )
    packed.add_argument(
        "name", metavar="NAME[/TAG]", help="a recipe; without --run, weights of `list --weights`"
    )
    packed.add_argument(
        "--run",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="of the run; default: the weights that come along, which are measured again",
    )
    packed.add_argument("--tag", help="names the data and the date")
    packed.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    for option, about in (
        ("--others", "runs of other seeds, for the spread"),
        ("--calibrated-by", "runs that kept training data out, on which the temperature is chosen"),
    ):
        packed.add_argument(option, type=Path, nargs="+", default=[], metavar="DIR", help=about)
    packed.add_argument("--default", action="store_true", help="make them the model's default")
    packed.add_argument("--command", metavar="TEXT", help="what trains them; default: from the run's record")


def _card(options: argparse.Namespace) -> None:
    print(find_named(options.name).card, end="")


def _verify(options: argparse.Namespace) -> int:
    chosen = [weights for name in options.names for weights in _named(name)] or list_weights()
    verdicts = []
    for weights in chosen:
        verdict = verify(weights, root=options.data)
        word = "DIFFERS" if not verdict.holds else "holds" if verdict.measured else "not measured"
        print(f"{weights}: {word}: {verdict.text}", flush=True)
        verdicts.append(verdict)
    num_measured = sum(verdict.measured for verdict in verdicts)
    if num_measured < len(verdicts):
        print(f"{num_measured} of {len(verdicts)} measured; --data DIR says where the others' test data is")
    return 0 if all(verdict.holds for verdict in verdicts) else DIFFERS


def _pack(options: argparse.Namespace) -> None:
    if options.folder is None:
        for option in ("tag", "default", "command"):
            if getattr(options, option):
                raise ValueError(f"--{option} must come with --run DIR, the folder of the run")
        weights = find_named(options.name)
        remeasure(
            weights,
            options.out,
            root=options.data,
            others=options.others,
            calibrated_by=options.calibrated_by,
        )
    elif options.tag is None:
        raise ValueError("--tag must come with --run DIR, to name the data and the date")
    else:
        pack(
            get_recipe(options.name),
            options.folder,
            options.out,
            tag=options.tag,
            default=options.default,
            root=options.data,
            command=options.command,
            others=options.others,
            calibrated_by=options.calibrated_by,
        )
    print(f"wrote {options.out}")


def _named(name: str) -> list[Weights]:
    """The weights of a name with a tag, or all of a model."""
    return [find_named(name)] if "/" in name else list_weights(find_named(name).model)
