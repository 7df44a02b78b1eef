"""Options that several commands take, each declared once."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from practicezoo.predictors import Predictor, load
from practicezoo.recipes import DataOptions, get_recipe
from practicezoo.recipes.trained import load_predictor

__all__ = ["Options", "add_command", "data_options", "print_figures", "trained_predictor"]


class Options:
    """Parsers to be the parents of commands, by what they hold."""

    def __init__(self) -> None:
        self.name, self.device, self.data, self.own_data, self.start, self.checkpoint, self.trained = (
            argparse.ArgumentParser(add_help=False) for _ in range(7)
        )
        self.name.add_argument("name", metavar="NAME", help="a recipe, as `list` shows it")
        self.device.add_argument(
            "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps; default: auto"
        )
        self.data.add_argument(
            "--data", type=Path, metavar="DIR", help="data root; default: $PRACTICEZOO_DATA"
        )
        self.checkpoint.add_argument(
            "--checkpoint", type=Path, required=True, metavar="FILE", help="written by train"
        )
        self.trained.add_argument("name", metavar="NAME", help="a model of `list --weights`, or NAME/TAG")
        self.trained.add_argument(
            "--checkpoint",
            type=Path,
            metavar="FILE",
            help="written by train; default: the weights that come along",
        )
        self.start.add_argument(
            "--setting",
            default="tuned",
            metavar="S",
            help="tuned, course, or another that `info` shows; default: tuned",
        )
        self.start.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
        self._add_own_data()

    def _add_own_data(self) -> None:
        add = self.own_data.add_argument
        add("--dataset", metavar="SET", help="one that `info` shows")
        add("--train-csv", type=Path, metavar="FILE", help="your own names and labels")
        add("--test-csv", type=Path, metavar="FILE", help="the test file that goes with it")
        for column, default in (("name", 0), ("label", 1)):
            add(
                f"--{column}-column",
                type=lambda text: int(text) if text.isdecimal() else text,
                default=default,
                metavar="COL",
                help=f"column of the {column}s: from 0, or as the header calls it; default: {default}",
            )
        add(
            "--no-header",
            dest="header",
            action="store_false",
            help="the first row is a sample, whatever it says",
        )


def add_command(
    commands: Any,
    run: Callable[[argparse.Namespace], int | None],
    about: str,
    *parents: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """A command of the name of the function that runs it."""
    added: argparse.ArgumentParser = commands.add_parser(
        run.__name__.removeprefix("_"), help=about, parents=parents
    )
    added.set_defaults(run=run)
    return added


def data_options(options: argparse.Namespace) -> DataOptions:
    """Where the data comes from, as the options say."""
    return DataOptions(
        root=options.data,
        dataset=options.dataset,
        train_csv=options.train_csv,
        test_csv=options.test_csv,
        name_column=options.name_column,
        label_column=options.label_column,
        header="auto" if options.header else False,
    )


def trained_predictor(options: argparse.Namespace, *, device: str) -> Predictor:
    """The trained network that the options name: of a checkpoint, or one that comes along."""
    if options.checkpoint is None:
        return load(options.name, device=device)
    predictor, _ = load_predictor(get_recipe(options.name), options.checkpoint, device=device)
    return predictor


def print_figures(figures: Mapping[str, Any]) -> None:
    """A line for each figure."""
    for name, value in figures.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
