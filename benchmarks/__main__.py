"""The command line: python -m benchmarks list | run NAME | show NAME."""

import argparse
import difflib
import sys
from collections.abc import Sequence

import torch

from benchmarks.discovery import load, summaries
from benchmarks.report import read_results, write_results
from benchmarks.tables import payload_text

__all__ = ["main"]


class UsageError(Exception):
    """The caller's mistake, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except UsageError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _list(_options: argparse.Namespace) -> None:
    found = summaries()
    width = max(map(len, found))
    for name, summary in found.items():
        print(f"{name:{width}}  {summary}")


def _run(options: argparse.Namespace) -> None:
    _check_name(options.name)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda needs a CUDA device, and torch finds none")
    try:
        run = load(options.name)
    except ModuleNotFoundError as error:
        raise UsageError(f"{options.name} needs {error.name!r}, which is not installed") from error
    payload = run(device=options.device, quick=options.quick)
    doubtful = [title for title, found in payload["comparisons"].items() if not found["trustworthy"]]
    # Neither a quick run's numbers nor those of a machine that disagreed with itself replace measured ones.
    if doubtful and not options.quick and not options.force:
        raise UsageError(f"not written: the repeated reference differs in {', '.join(doubtful)}; run again")
    if not options.quick and not options.no_save:
        path = write_results(options.name, options.device, payload)
        print(f"written: {path.parent.name}/{path.name}")


def _show(options: argparse.Namespace) -> None:
    _check_name(options.name)
    try:
        payload = read_results(options.name, options.device)
    except FileNotFoundError as error:
        raise UsageError(f"{options.name} has no saved results on {options.device}") from error
    print(payload_text(payload))


def _check_name(name: str) -> None:
    known = summaries()
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
        raise UsageError(f"unknown benchmark {name!r}; {hint}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of practicezoo.")
    commands = parser.add_subparsers(required=True, metavar="list | run | show")

    listing = commands.add_parser("list", help="each benchmark and its question")
    listing.set_defaults(command=_list)

    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("name", metavar="NAME", help="a name that `list` shows")
    named.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)"
    )

    running = commands.add_parser(
        "run", parents=[named], help="measure, print the tables and save the numbers"
    )
    running.add_argument("--quick", action="store_true", help="check that it works; saves nothing")
    running.add_argument("--no-save", action="store_true", help="measure and print only")
    running.add_argument("--force", action="store_true", help="save although the repeated reference differs")
    running.set_defaults(command=_run)

    showing = commands.add_parser("show", parents=[named], help="print the tables of the saved numbers")
    showing.set_defaults(command=_show)
    return parser


if __name__ == "__main__":
    sys.exit(main())
