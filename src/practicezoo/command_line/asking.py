"""Asking a trained network on the command line: predict."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practicezoo.arguments import check_count, near_paths, shorten
from practicezoo.command_line.options import Options, add_command, trained_predictor
from practicezoo.predictors import Prediction

__all__ = ["add_predict_command"]

REFUSED = 1


def add_predict_command(commands: Any, options: Options) -> None:
    """Declare ``predict``."""
    added = add_command(
        commands, _predict, "ask a trained network about samples of your own", options.trained, options.device
    )
    samples = added.add_argument(
        "samples",
        nargs="+",
        default=[],
        metavar="SAMPLE",
        help="names, image files, words, rows of numbers: see `info`",
    )
    samples.required = False  # with "*", no option could stand before them
    added.add_argument("--file", type=Path, metavar="FILE", help="a sample a line; - reads standard input")
    added.add_argument("--top", type=int, default=3, metavar="K", help="labels to show; default: 3")
    added.add_argument("--json", action="store_true", help="print a JSON list, one object a sample")
    added._negative_number_matcher = re.compile(r"-[.\d]")  # noqa: SLF001  # a row "-0.3,0.5" is no option


def _predict(options: argparse.Namespace) -> int:
    check_count(top=options.top)
    predictor = trained_predictor(options, device=options.device)
    samples = [*options.samples, *(_read_samples(options.file) if options.file else [])]
    if not samples:
        raise ValueError("samples must be given, by themselves or with --file, got none")

    def ask(samples: Sequence[str]) -> list[Prediction | Exception]:  # one by one if one is bad
        try:
            return [*predictor(samples, top=options.top)]
        except (ValueError, OSError) as error:
            return [error] if len(samples) == 1 else [ask([sample])[0] for sample in samples]

    answers = ask(samples)
    if options.json:
        rows = [_as_dict(sample, answer) for sample, answer in zip(samples, answers, strict=True)]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        shown = [
            sample if sample.isprintable() and len(sample) <= 80 else shorten(sample) for sample in samples
        ]
        width = max(map(len, shown))
        for sample, answer in zip(shown, answers, strict=True):
            print(f"{sample:<{width}}  {_line(answer)}")
    return REFUSED if any(isinstance(answer, Exception) for answer in answers) else 0


def _line(answer: Prediction | Exception) -> str:
    if isinstance(answer, Exception):
        return f"no prediction: {answer}"
    notes = f"  ({', '.join(answer.notes)})" if answer.notes else ""
    return f"{answer.answer}{notes}"


def _as_dict(sample: str, answer: Prediction | Exception) -> dict[str, Any]:
    if isinstance(answer, Exception):
        return {"sample": sample, "error": str(answer)}
    return {**answer.as_dict(), "sample": sample}


def _read_samples(path: Path) -> list[str]:
    """The lines of a file or of the standard input that are not blank."""
    if str(path) != "-" and not path.exists():
        raise FileNotFoundError(
            f"--file must be a file of samples, got {path}, which is not there{near_paths(path)}"
        )
    raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: samples must be UTF-8 text, got a wrong byte at {error.start}") from None
    return [line for line in lines if line.strip()]
