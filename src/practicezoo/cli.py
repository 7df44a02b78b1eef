"""The command line: list, info, check, train, evaluate, predict, reproduce."""

import argparse
import dataclasses
import io
import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import practicezoo
from practicezoo.arguments import check_count, shorten
from practicezoo.recipes import (
    DataOptions,
    Prediction,
    check_recipe,
    get_recipe,
    list_recipes,
    load_trained,
    reproduce,
    train_recipe,
)
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.runtime.processes import launched_rank

__all__ = ["main"]

FOUND, BAD_INPUT, INTERRUPTED, UNREAD = 1, 2, 130, 141


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
        options = _parser().parse_args(arguments)
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


def _list(_: argparse.Namespace) -> None:
    recipes = [get_recipe(name) for name in list_recipes()]
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        print(f"{recipe.name:<{width}}  {recipe.summary}")


def _info(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.name)
    print(f"{recipe.name}: {recipe.summary}")
    print(f"data:          {recipe.data}")
    if recipe.datasets:
        print(f"--dataset:     {', '.join(recipe.datasets)}")
    print(f"course result: {recipe.reference}")
    print(f"predict takes: {recipe.sample}")
    for name, setting in recipe.settings.items():
        overrides = "".join(f", {key} {value}" for key, value in setting.model_overrides.items())
        dataset = f", on {setting.dataset}" if setting.dataset else ""
        print(f"setting {name}: {setting.epochs} epochs, batches of {setting.batch_size}{overrides}{dataset}")


def _check(options: argparse.Namespace) -> int:
    findings = check_recipe(
        get_recipe(options.name),
        setting=options.setting,
        data=_data_options(options),
        device=options.device,
        seed=options.seed,
    )
    print("\n".join(str(finding) for finding in findings) or "no findings")
    return FOUND if findings else 0


def _train(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.name)
    if options.resume and options.out is None:
        raise ValueError("--resume must come with --out DIR, the folder of the run to resume")
    folder = options.out or _free_folder(Path("runs") / recipe.name)
    try:
        result = train_recipe(
            recipe,
            folder,
            setting=options.setting,
            epochs=options.epochs,
            data=_data_options(options),
            device=options.device,
            seed=options.seed,
            resume=options.resume,
        )
    except KeyboardInterrupt:
        if RunFolder(folder).stage in {"unfinished", "trained"}:
            _complain(f"\nto resume, give the same command with --out {folder} --resume")
        raise
    if launched_rank() != 0:
        return
    _print_figures(result.measured)
    print("wrote " + ", ".join(str(path) for path in result.files))


def _evaluate(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.name)
    model, state = load_trained(recipe, options.checkpoint, device=options.device)
    data = _data_options(options)
    if recipe.datasets and data.dataset is None:
        data = dataclasses.replace(data, dataset=state["data"])
    splits = recipe.load(data, seed=state["seed"])
    recipe.check_data(splits, state)
    print(f"data: {splits.test_source or splits.source}")
    _print_figures(recipe.measure(model, splits))


def _print_figures(figures: Mapping[str, Any]) -> None:
    for name, value in figures.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")


def _predict(options: argparse.Namespace) -> int:
    check_count(top=options.top)
    recipe = get_recipe(options.name)
    samples = [*options.samples, *(_read_samples(options.file) if options.file else [])]
    if not samples:
        raise ValueError("samples must be given, by themselves or with --file, got none")
    model, state = load_trained(recipe, options.checkpoint, device=options.device)

    def predict(samples: Sequence[str]) -> list[Prediction | Exception]:  # one by one if one is bad
        try:
            return [*recipe.predict(model, state, samples)]
        except (ValueError, OSError) as error:
            return [error] if len(samples) == 1 else [predict([sample])[0] for sample in samples]

    answers = predict(samples)
    shown = [sample if sample.isprintable() and len(sample) <= 80 else shorten(sample) for sample in samples]
    width = max(map(len, shown))
    for sample, answer in zip(shown, answers, strict=True):
        print(f"{sample:<{width}}  {_answer(answer, options.top)}")
    return FOUND if any(isinstance(answer, Exception) for answer in answers) else 0


def _answer(answer: Prediction | Exception, top: int) -> str:
    if isinstance(answer, Exception):
        return f"no prediction: {answer}"
    return "  ".join(
        label if probability is None else f"{label} {probability:6.1%}"
        for label, probability in answer.ranking[:top]
    )


def _read_samples(path: Path) -> list[str]:
    """The lines of a file or of the standard input that are not blank."""
    raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: samples must be UTF-8 text, got a wrong byte at {error.start}") from None
    return [line for line in lines if line.strip()]


def _reproduce(options: argparse.Namespace) -> None:
    rows = reproduce(
        options.names, quick=options.quick, data=DataOptions(root=options.data), device=options.device
    )
    if options.json:
        options.json.write_text("[]\n", encoding="utf-8")  # fail now rather than at the end
    finished = []
    line = "{:<26} {:<8} {:>8}  {}"
    print(line.format("system", "verdict", "seconds", "measured | course"))
    for row in rows:
        measured = ", ".join(
            f"{name} {value:.8g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in row.measured.items()
        )
        both = row.reason or f"{measured} | {row.reference}"
        print(line.format(row.system, row.verdict, f"{row.seconds:.1f}", both), flush=True)
        finished.append(dataclasses.asdict(row))
        if options.json:
            options.json.write_text(json.dumps(finished, indent=2) + "\n", encoding="utf-8")


def _data_options(options: argparse.Namespace) -> DataOptions:
    return DataOptions(
        root=options.data,
        dataset=options.dataset,
        train_csv=options.train_csv,
        test_csv=options.test_csv,
        name_column=options.name_column,
        label_column=options.label_column,
        header="auto" if options.header else False,
    )


def _free_folder(folder: Path) -> Path:
    """``folder``, or the first of folder-2, folder-3, ... that is free: no run overwrites another."""
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="practicezoo", description=practicezoo.__doc__)
    parser.add_argument("--version", action="version", version=f"practicezoo {practicezoo.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    # what several commands take
    name, device, data, own_data, start, checkpoint = (
        argparse.ArgumentParser(add_help=False) for _ in range(6)
    )
    name.add_argument("name", metavar="NAME", help="a recipe, as `list` shows it")
    device.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps; default: auto")
    data.add_argument("--data", type=Path, metavar="DIR", help="data root; default: $PRACTICEZOO_DATA")
    own_data.add_argument("--dataset", metavar="SET", help="one that `info` shows")
    own_data.add_argument("--train-csv", type=Path, metavar="FILE", help="your own names and labels")
    own_data.add_argument("--test-csv", type=Path, metavar="FILE", help="the test file that goes with it")
    for column, default in (("name", 0), ("label", 1)):
        own_data.add_argument(
            f"--{column}-column",
            type=lambda text: int(text) if text.isdecimal() else text,
            default=default,
            metavar="COL",
            help=f"column of the {column}s: from 0, or as the header calls it; default: {default}",
        )
    own_data.add_argument(
        "--no-header", dest="header", action="store_false", help="the first row is a sample, whatever it says"
    )
    start.add_argument(
        "--setting",
        default="tuned",
        metavar="S",
        help="tuned, course, or another that `info` shows; default: tuned",
    )
    start.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    checkpoint.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="written by train")

    def command(
        run: Callable[[argparse.Namespace], int | None], about: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__.removeprefix("_"), help=about, parents=parents)
        added.set_defaults(run=run)
        return added

    command(_list, "show all recipes")
    command(_info, "show one recipe: its data, settings and the course's result", name)
    command(_check, "look for mistakes in a recipe before it trains", name, start, device, data, own_data)
    train = command(
        _train, "train a recipe, from nothing to a measured checkpoint", name, start, device, data, own_data
    )
    train.add_argument("--epochs", type=int, metavar="N", help="instead of the setting's")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: runs/NAME, numbered if it exists")
    train.add_argument("--resume", action="store_true", help="resume the run in --out DIR, if there is one")
    command(_evaluate, "measure a checkpoint on the test data", name, checkpoint, device, data, own_data)
    predict = command(_predict, "ask a checkpoint about samples of your own", name, checkpoint, device)
    samples = predict.add_argument(
        "samples",
        nargs="+",
        default=[],
        metavar="SAMPLE",
        help="names, image files, words, hours: see `info`",
    )
    samples.required = False  # with "*", no option could stand before them
    predict.add_argument("--file", type=Path, metavar="FILE", help="a sample a line; - reads standard input")
    predict._negative_number_matcher = re.compile(r"-[.\d]")  # noqa: SLF001  # a row "-0.3,0.5" is no option
    predict.add_argument("--top", type=int, default=3, metavar="K", help="labels to show; default: 3")
    reproduce = command(_reproduce, "train as the course does; compare with its results", device, data)
    reproduce.add_argument("names", nargs="*", metavar="NAME", help="default: every system of the course")
    reproduce.add_argument("--quick", action="store_true", help="without names: those that take seconds")
    reproduce.add_argument("--json", type=Path, metavar="FILE", help="write the table there as well")
    return parser
