"""Recipes on the command line: list, info, check, train, evaluate, reproduce."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from practicezoo.command_line.options import Options, add_command, data_options, print_figures
from practicezoo.diagnostics.explaining import explain, explanations
from practicezoo.recipes import (
    DataOptions,
    check_recipe,
    get_recipe,
    list_recipes,
    load_trained,
    reproduce,
    train_recipe,
)
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.runtime.processes import launched_rank
from practicezoo.weights import Weights, list_weights

__all__ = ["add_recipe_commands"]

FOUND = 1


def add_recipe_commands(commands: Any, options: Options) -> None:
    """Declare the commands that work on recipes."""
    name, start, device, data, own_data = (
        options.name,
        options.start,
        options.device,
        options.data,
        options.own_data,
    )
    listing = add_command(commands, _list, "show all recipes, or all trained weights")
    listing.add_argument("--weights", action="store_true", help="the trained weights that come along")
    add_command(commands, _info, "show one recipe: its data, settings and the course's result", name)
    look = add_command(
        commands,
        _check,
        "look for mistakes in a recipe before it trains",
        *(start, device, data, own_data),
    )
    look.add_argument("name", nargs="?", metavar="NAME", help="a recipe, as `list` shows it")
    look.add_argument("--thorough", action="store_true", help="take half a minute for large networks")
    look.add_argument("--explain", metavar="CODE", help="what a finding's code means, with programs")
    look.add_argument("--list", action="store_true", help="all codes of findings")
    train = add_command(
        commands,
        _train,
        "train a recipe, from nothing to a measured checkpoint",
        *(name, start, device, data, own_data),
    )
    train.add_argument("--epochs", type=int, metavar="N", help="instead of the setting's")
    train.add_argument("--out", type=Path, metavar="DIR", help="default: runs/NAME, numbered if it exists")
    train.add_argument("--resume", action="store_true", help="resume the run in --out DIR, if there is one")
    train.add_argument(
        "--init",
        metavar="FROM",
        help="trained weights to start from: weights (those that come along), a tag, or a checkpoint",
    )
    train.add_argument(
        "--calibration-fraction",
        type=float,
        default=0.0,
        metavar="F",
        help="keep this fraction of the training data out, for a temperature: see `pack`; default: 0",
    )
    add_command(
        commands,
        _evaluate,
        "measure a checkpoint on the test data",
        *(name, options.checkpoint, device, data, own_data),
    )
    again = add_command(
        commands,
        _reproduce,
        "train again; compare with the course's results or the cards",
        device,
        data,
    )
    again.add_argument("names", nargs="*", metavar="NAME", help="default: every system of the course")
    again.add_argument(
        "--setting",
        default="course",
        metavar="S",
        help="course, or best, which trains the weights that come along: NAME[/TAG]; default: course",
    )
    again.add_argument("--quick", action="store_true", help="without names: those that take seconds")
    again.add_argument("--json", type=Path, metavar="FILE", help="write the table there as well")


def _list(options: argparse.Namespace) -> None:
    if options.weights:
        rows = [(str(weights), _summary(weights)) for weights in list_weights()]
    else:
        rows = [(name, get_recipe(name).summary) for name in list_recipes()]
    width = max(len(name) for name, _ in rows)
    for name, about in rows:
        print(f"{name:<{width}}  {about}")


def _summary(weights: Weights) -> str:
    default = ", default" if weights.default else ""
    accuracy = f"{weights.metrics['test_accuracy']:.2%} of {weights.metrics['num_samples']:,} test samples"
    return f"{accuracy}, {weights.num_parameters:,} parameters, {weights.num_bytes:,} bytes{default}"


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
    if (options.name is not None) + (options.explain is not None) + options.list != 1:
        raise ValueError("check must get either NAME, --explain CODE or --list")
    if options.explain is not None:
        print(explain(options.explain))
        return 0
    if options.list:
        width = max(len(each.code) for each in explanations())
        print("\n".join(f"{each.code:<{width}}  {each.meaning}" for each in explanations()))
        return 0
    findings = check_recipe(
        get_recipe(options.name),
        setting=options.setting,
        data=data_options(options),
        device=options.device,
        seed=options.seed,
        thorough=options.thorough,
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
            data=data_options(options),
            device=options.device,
            seed=options.seed,
            resume=options.resume,
            init=options.init,
            calibration_fraction=options.calibration_fraction,
        )
    except KeyboardInterrupt:
        if RunFolder(folder).stage in {"unfinished", "trained"}:
            print(f"\nto resume, give the same command with --out {folder} --resume", file=sys.stderr)
        raise
    if launched_rank() != 0:
        return
    print_figures(result.measured)
    print("wrote " + ", ".join(str(path) for path in result.files))


def _evaluate(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.name)
    model, state = load_trained(recipe, options.checkpoint, device=options.device)
    data = data_options(options)
    if state["data"] in recipe.datasets and data.dataset is None and data.train_csv is None:
        data = dataclasses.replace(data, dataset=state["data"])
    splits = recipe.load(data, seed=state["seed"])
    recipe.check_data(splits, state)
    print(f"data: {splits.test_source or splits.source}")
    print_figures(recipe.measure(model, splits))


def _reproduce(options: argparse.Namespace) -> None:
    rows = reproduce(
        options.names,
        setting=options.setting,
        quick=options.quick,
        data=DataOptions(root=options.data),
        device=options.device,
    )
    if options.json:
        options.json.write_text("[]\n", encoding="utf-8")  # fail now rather than at the end
    finished = []
    line = "{:<28} {:<8} {:>8}  {}"
    whose = "course" if options.setting == "course" else "card"
    print(line.format("system", "verdict", "seconds", f"measured | {whose}"))
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


def _free_folder(folder: Path) -> Path:
    """``folder``, or the first of folder-2, folder-3, ... that is free: no run overwrites another."""
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate
