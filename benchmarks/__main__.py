"""The command line: python -m benchmarks list | run NAME | show NAME | report | compare OLD NEW."""

import argparse
import difflib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.changes import changes, missing
from benchmarks.discovery import load, summaries
from benchmarks.machine import crowding, snapshot
from benchmarks.plots import draw_growth
from benchmarks.processes import end_processes
from benchmarks.report import read_payload, results_of, saved_results, write_results
from benchmarks.rows import rows_of
from benchmarks.sheets import csv_text, group_by_machine, markdown_text
from benchmarks.tables import environment_notes, payload_text

__all__ = ["main"]


class UsageError(Exception):
    """The caller's mistake, in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except UsageError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


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
    more = {"detail": True} if options.detail else {}
    if more and "detail" not in inspect.signature(run).parameters:
        raise UsageError(f"{options.name} has no steps to split: leave --detail out")
    if options.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of processes that a script starts
        torch.set_num_threads(options.threads)
    before = snapshot(options.device, quick=options.quick)
    payload = run(device=options.device, quick=options.quick, **more)
    end_processes()
    environment = payload["environment"]
    environment["machine"] = {"before": before, "after": snapshot(options.device, quick=options.quick)}
    if options.quick:
        return
    environment |= crowding(environment, saved_results().values())
    doubts = environment_notes(environment)
    print("\n".join(doubts), end="\n" * bool(doubts))
    doubtful = [title for title, found in payload["comparisons"].items() if not found["trustworthy"]]
    if doubtful:
        doubts.append(f"the repeated reference differs in {', '.join(doubtful)}")
    if options.no_save:
        return
    # Neither the numbers of a busy machine nor of one that disagreed with itself replace measured ones.
    refused = bool(doubts) and not options.force
    path = write_results(options.name, payload, refused=refused)
    if refused:
        kept = f"it is in results/refused/{path.name}"
        raise UsageError(f"not among the results: {'; '.join(doubts)}; {kept}; run again")
    print(f"written: {path.parent.name}/{path.name}")


def _show(options: argparse.Namespace) -> None:
    _check_name(options.name)
    found = results_of(options.name, options.device)
    if not found:
        raise UsageError(f"{options.name} has no saved results on {options.device}")
    for place, payload in found.items():
        print(f"{options.name} on {place}\n{payload_text(payload)}")


def _report(options: argparse.Namespace) -> None:
    groups = group_by_machine(saved_results())
    if not groups:
        raise UsageError("there are no saved results")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, results in groups.items():
            for ending, text in (("md", markdown_text(name, results)), ("csv", csv_text(results))):
                path = options.out / f"{name}.{ending}"
                path.write_text(text, encoding="utf-8", newline="\n")
                print(f"written: {path}")
            for benchmark, payload in results.items():
                if "growth" in payload:
                    path = options.out / f"{name}-{benchmark}.svg"
                    draw_growth(payload["growth"], path)
                    print(f"written: {path}")
    except ModuleNotFoundError as error:
        raise UsageError(f"the plots need {error.name!r}, which is not installed") from error
    except OSError as error:
        raise UsageError(f"--out {options.out} cannot be written: {error.strerror}") from error


def _compare(options: argparse.Namespace) -> int:
    old, new = (_read(path) for path in (options.old, options.new))
    if not {row.comparison for row in rows_of(old)} & {row.comparison for row in rows_of(new)}:
        raise UsageError(f"{options.old} and {options.new} have no comparison in common")
    for note in missing(old, new):
        print(note)
    found = sorted(changes(old, new), key=lambda change: change.factor, reverse=True)
    for change in found:
        print(change)
    slower = [change for change in found if change.factor > 1 + options.tolerance]
    print(f"beyond their intervals {len(found)} changed, {len(slower)} by more than {options.tolerance:+.0%}")
    return 1 if slower else 0


def _read(path: Path) -> dict:
    try:
        return read_payload(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_name(name: str) -> None:
    known = summaries()
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
        raise UsageError(f"unknown benchmark {name!r}; {hint}")


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


_count.__name__ = "count"
_fraction.__name__ = "fraction"  # argparse says: invalid fraction value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of practicezoo.")
    commands = parser.add_subparsers(required=True, metavar="list | run | show | report | compare")

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
    running.add_argument("--detail", action="store_true", help="split steps into their phases as well")
    running.add_argument(
        "--threads", type=_count, metavar="N", help="threads that compute (default: torch's choice)"
    )
    running.add_argument("--no-save", action="store_true", help="measure and print only")
    running.add_argument(
        "--force", action="store_true", help="save although the machine was crowded or unsteady"
    )
    running.set_defaults(command=_run)

    showing = commands.add_parser("show", parents=[named], help="print the tables of the saved numbers")
    showing.set_defaults(command=_show)

    reporting = commands.add_parser(
        "report", help="write all saved numbers as Markdown and CSV, by device and version of torch"
    )
    reporting.add_argument(
        "--out", type=Path, default=Path("benchmark-tables"), metavar="FOLDER",
        help="where to write (default: benchmark-tables)",
    )  # fmt: skip
    reporting.set_defaults(command=_report)

    comparing = commands.add_parser(
        "compare", help="print what changed beyond its interval; exit with 1 where something is slower"
    )
    comparing.add_argument("old", type=Path, metavar="OLD", help="a JSON file of results")
    comparing.add_argument("new", type=Path, metavar="NEW", help="a newer one of the same benchmark")
    comparing.add_argument(
        "--tolerance", type=_fraction, default=0.05, metavar="FRACTION",
        help="how much slower is still accepted (default: 0.05)",
    )  # fmt: skip
    comparing.set_defaults(command=_compare)
    return parser


if __name__ == "__main__":
    sys.exit(main())
