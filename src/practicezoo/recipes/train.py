"""Running a recipe: train, choose the epoch on validation data, measure on test data, write it all down."""

import hashlib
import json
import platform
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import practicezoo
from practicezoo.recipes.experiment import CHOSEN_BY, REFIT, Experiment, prepare
from practicezoo.recipes.recipe import DataOptions, Recipe
from practicezoo.runtime.collectives import broadcast_object, run_on_main
from practicezoo.runtime.processes import is_main, world_size
from practicezoo.sequences import PaddedSequence
from practicezoo.training import (
    Callback,
    History,
    Run,
    distributed_context,
    load_checkpoint,
    pick_device,
    save_checkpoint,
)
from practicezoo.training.checkpoints.folder import (
    BEST,
    has_checkpoints,
    newest_checkpoint,
    remove_checkpoints,
)
from practicezoo.training.loop import epoch_line
from practicezoo.training.progress import is_interactive

__all__ = ["TrainResult", "load_trained", "train_recipe"]

CHECKPOINT, RESULT, HISTORY, CURVE = "checkpoint.pt", "result.json", "history.csv", "curve.png"


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind.

    Attributes:
        history: the values of each epoch.
        measured: the chosen epoch, if one was chosen, and the figures on the test data.
        figures: what ``result.json`` holds: those and all that they depend on.
        files: the files that were written.
    """

    history: History
    measured: Mapping[str, Any]
    figures: Mapping[str, Any]
    files: list[Path]


class _Recorder(Callback):
    """Writes the history and prints a line, every so many epochs."""

    def __init__(self, folder: Path, *, every: int, prints: bool) -> None:
        self.path = folder / HISTORY
        self.every = every
        self.prints = prints

    def on_epoch_end(self, run: Run) -> None:
        if is_main() and (run.epoch % self.every == 0 or run.epoch == run.epochs):
            run.history.to_csv(self.path)
            if self.prints:
                print(epoch_line(run), flush=True)


def train_recipe(
    recipe: Recipe,
    folder: str | Path,
    *,
    setting: str = "tuned",
    epochs: int | None = None,
    data: DataOptions | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: bool = True,
    resume: bool = False,
) -> TrainResult:
    """Train a recipe and write history, curve, checkpoint and result into ``folder``.

    Where the setting holds out data for validation, the epoch is the one that is best on it, and a
    setting with ``refit`` then trains anew for that many epochs on all training data. Otherwise the
    last epoch counts. The test data is looked at once, at the end.

    While it trains, ``folder`` holds the checkpoints to resume from; the finished run's is
    ``checkpoint.pt``. Under ``torchrun`` the processes share each batch, and rank 0 writes and prints.

    Args:
        recipe: what to train.
        folder: where to write; made if it is not there.
        setting: one of the recipe's settings, such as "course" or "tuned".
        epochs: instead of the setting's.
        data: where the data comes from.
        device: see :func:`~practicezoo.pick_device`.
        seed: seeds the split, the weights and the order.
        progress: whether to print what happens.
        resume: go on from the newest good checkpoint in ``folder``, or begin if there is none. Everything
            else must be as before. A run that is finished is read, not trained again.

    Returns:
        What the run left behind; on a rank other than 0 the history alone.

    Raises:
        OSError: if ``folder`` cannot be written, or holds a run already and ``resume`` is not set.
        ValueError: if an argument or the data is wrong, or the run in ``folder`` is another one.
        FloatingPointError: if the loss becomes NaN or infinite; the checkpoints from before stay.
    """
    started = time.perf_counter()
    if world_size() > 1:
        raise ValueError(
            "train_recipe must be called outside distributed_context: it joins the others itself"
        )
    with distributed_context(device) as context:
        folder = Path(broadcast_object(str(folder)))
        experiment = prepare(recipe, setting, epochs=epochs, data=data, device=context.device, seed=seed)
        facts = _facts(experiment, setting)
        if broadcast_object(resume and (folder / RESULT).exists()):
            return run_on_main(lambda: _read_finished(folder, facts, progress=progress))
        resume_from = run_on_main(lambda: _open(folder, facts, resume=resume))
        progress = progress and context.is_main
        if progress:
            _announce(facts, experiment, resume_from)
        training_started = time.perf_counter()
        model, history = _train(experiment, folder, facts, resume_from, progress=progress)
        training_seconds = time.perf_counter() - training_started
    if not context.is_main:
        return TrainResult(history, {}, {}, [])
    chosen = _chosen(folder) if CHOSEN_BY in history else {}
    state = {**facts, **_about(experiment), "epoch": chosen.get("best_epoch", len(history))}
    measured = {**chosen, **recipe.measure(model, experiment.splits)}
    figures = {
        **facts,
        **measured,
        "training_seconds": round(training_seconds, 2),
        "seconds": round(time.perf_counter() - started, 2),
        "versions": versions(),
    }
    title = f"{recipe.name} ({setting}) on {experiment.splits.source}"
    curve = _draw_curve(history, folder / CURVE, title=title)
    save_checkpoint(
        folder / CHECKPOINT, {**state, "history": history.state_dict(), "model": model.state_dict()}
    )
    _write_json(folder / RESULT, figures)
    for each in (folder, folder / REFIT):
        remove_checkpoints(each)
    with suppress(OSError):  # not there, or not only ours
        (folder / REFIT).rmdir()
    return TrainResult(
        history, measured, figures, [folder / HISTORY, *curve, folder / CHECKPOINT, folder / RESULT]
    )


def load_trained(
    recipe: Recipe, checkpoint: str | Path, *, device: str = "auto"
) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a checkpoint, ready to predict, and the checkpoint's state.

    Args:
        recipe: the recipe that the checkpoint is of.
        checkpoint: its file: the finished run's, or one to resume from.
        device: see :func:`~practicezoo.pick_device`.

    Raises:
        ValueError: if the file is damaged, no checkpoint, or another recipe's.
    """
    target = pick_device(device)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"checkpoint must be a file that train wrote, got {checkpoint}")
    state = load_checkpoint(checkpoint)
    state = {**state.get("extra", {}), **state}  # a checkpoint of a run that goes on names the recipe there
    if state.get("recipe") != recipe.name:
        raise ValueError(
            f"{checkpoint} must be a checkpoint of {recipe.name}, got one of {state.get('recipe')}"
        )
    try:
        model = recipe.build(state["config"])
        model.load_state_dict(state["model"])
        complete = len(state["classes"]) == state["config"].get("num_classes", len(state["classes"]))
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{checkpoint} does not hold a whole model of {recipe.name}") from error
    if not complete:
        raise ValueError(f"{checkpoint} must name as many classes as its model has outputs")
    return model.to(target).eval(), state


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {
        "practicezoo": practicezoo.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _facts(experiment: Experiment, setting: str) -> dict[str, Any]:
    """What a run's result depends on, beside the code."""
    return {
        "recipe": experiment.recipe.name,
        "setting": setting,
        "data": experiment.splits.source,
        "data_digest": _digest(experiment.splits.train),
        "seed": experiment.seed,
        "epochs": experiment.plan.epochs,
        "refit": experiment.plan.refit,
        "device": experiment.device.type,
        "processes": world_size(),
    }


def _digest(data: tuple[Tensor | PaddedSequence, Tensor]) -> str:
    """Tells the data apart from other data of the same name."""
    inputs, targets = data
    parts = [*inputs, targets] if isinstance(inputs, PaddedSequence) else [inputs, targets]
    whole = hashlib.sha256()
    for tensor in parts:
        whole.update(tensor.cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]


def _about(experiment: Experiment) -> dict[str, Any]:
    """What a checkpoint needs beside the weights to predict."""
    return {
        "config": dict(experiment.config),
        "classes": list(experiment.splits.classes),
        "saved": dict(experiment.splits.saved),
    }


def _train(
    experiment: Experiment,
    folder: Path,
    facts: Mapping[str, Any],
    resume_from: Path | None,
    *,
    progress: bool,
) -> tuple[nn.Module, History]:
    """The network of the epoch that counts, and the history."""
    shows_bars = progress and experiment.plan.report_every == 1
    # on a terminal fit itself leaves a line for each epoch
    recorder = _Recorder(
        folder, every=experiment.plan.report_every, prints=progress and not (shows_bars and is_interactive())
    )
    model, history = experiment.train(
        folder,
        [recorder],
        extra={**facts, **_about(experiment)},
        resume_from=resume_from,
        progress=shows_bars,
    )
    if CHOSEN_BY in history and experiment.plan.refit:
        epochs = _chosen(folder)["best_epoch"]
        if progress:
            print(f"training anew on all {len(experiment.held_out):,} for {epochs} epochs", flush=True)
        model = experiment.train_anew(epochs, folder)
    elif CHOSEN_BY in history:
        model.load_state_dict(load_checkpoint(folder / BEST, map_location=experiment.device)["model"])
    return model, history


def _chosen(folder: Path) -> dict[str, Any]:
    """The epoch that did best on validation data, and how well."""
    history = load_checkpoint(folder / BEST)["history"]
    return {"best_epoch": len(history[CHOSEN_BY]), CHOSEN_BY: history[CHOSEN_BY][-1]}


def _open(folder: Path, facts: Mapping[str, Any], *, resume: bool) -> Path | None:
    """The checkpoint to resume from, if there is one; sees at once that the folder can be written."""
    checkpoint = _find(folder, facts) if resume else None
    if not resume:
        _check_unused(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        pass
    return checkpoint


def _find(folder: Path, facts: Mapping[str, Any]) -> Path | None:
    """The newest good checkpoint of this run in ``folder``, if there is one."""
    newest = newest_checkpoint(folder)
    if newest is None:
        return None
    path, state = newest
    _check_same_run(folder, state["extra"], facts)
    return path


def _read_finished(folder: Path, facts: Mapping[str, Any], *, progress: bool) -> TrainResult:
    figures = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    _check_same_run(folder, figures, facts)
    if progress:
        print(f"the run in {folder} is finished", flush=True)
    history = History()
    history.load_state_dict(load_checkpoint(folder / CHECKPOINT)["history"])
    depends = {*facts, "training_seconds", "seconds", "versions"}
    measured = {name: value for name, value in figures.items() if name not in depends}
    files = [path for name in (HISTORY, CURVE, CHECKPOINT, RESULT) if (path := folder / name).exists()]
    return TrainResult(history, measured, figures, files)


def _check_same_run(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError if the run in ``folder`` is another one."""
    for name in ("recipe", "setting", "data", "data_digest", "seed", "epochs"):
        if then.get(name) != now[name]:
            raise ValueError(
                f"{name} must be {then.get(name)!r} to go on with the run in {folder}, got {now[name]!r}"
            )


def _announce(facts: Mapping[str, Any], experiment: Experiment, resume_from: Path | None) -> None:
    held_out = int(experiment.held_out.sum())
    sizes = [
        f"{len(experiment.held_out) - held_out:,} to train",
        f"{len(experiment.splits.test[1]):,} to test",
    ]
    if held_out:
        sizes.insert(1, f"{held_out:,} to choose the epoch")
    processes = f"{facts['processes']} processes on " if facts["processes"] > 1 else ""
    about = f"{facts['recipe']} ({facts['setting']}) on {facts['data']}, {processes}{facts['device']}"
    print(f"{about}: {', '.join(sizes)}", flush=True)
    if resume_from is not None:
        print(f"going on from {resume_from}", flush=True)


def _check_unused(folder: Path) -> None:
    if (folder / CHECKPOINT).exists() or has_checkpoints(folder):
        raise FileExistsError(
            f"{folder} must not hold a run already: resume it (--resume), choose another folder or remove it"
        )


def _write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write the whole file or nothing: that it is there says that the run is finished."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _draw_curve(history: History, path: Path, *, title: str) -> list[Path]:
    try:
        axes = history.plot(CHOSEN_BY if CHOSEN_BY in history else "train_loss")
    except ImportError as error:
        print(f"{path.name} is left out: {error}")
        return []
    axes.set_title(title)
    figure: Any = axes.figure  # a whole one: get_figure(root=True), which types it, needs matplotlib 3.10
    figure.savefig(path, dpi=150)
    return [path]
