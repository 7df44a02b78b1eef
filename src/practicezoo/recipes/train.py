"""Running a recipe: train, choose the epoch on validation data, measure on test data, write it all down."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from practicezoo.recipes.distillation import distilled
from practicezoo.recipes.experiment import CHOSEN_BY, Experiment, prepare
from practicezoo.recipes.identity import RunIdentity, machine, versions
from practicezoo.recipes.recipe import DataOptions, Recipe
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.runtime.collectives import broadcast_object, run_on_main
from practicezoo.runtime.files import write_whole
from practicezoo.runtime.processes import is_main, world_size
from practicezoo.training import Callback, CSVLogger, History, Run, distributed_context, load_checkpoint
from practicezoo.training.progress import epoch_line, is_interactive

__all__ = ["TrainResult", "Trained", "measure_trained", "train_experiment", "train_recipe"]

NOT_MEASURED = {
    "training_seconds",
    "seconds",
    "versions",
    "machine",
}  # in result.json, beside the run's identity


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


@dataclass(frozen=True)
class Trained:
    """An experiment whose final weights are on the disk."""

    experiment: Experiment
    identity: RunIdentity
    folder: RunFolder
    model: nn.Module
    history: History
    seconds: float


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
    init: str | Path | None = None,
    calibration_fraction: float = 0.0,
) -> TrainResult:
    """Train a recipe and write history, checkpoint, result and curve into ``folder``.

    Where the setting holds out data for validation, the epoch is the one that is best on it, and a
    setting with ``refit`` then retrains for that many epochs on all training data. Otherwise the last
    epoch counts. The test data is looked at once, at the end.

    While it trains, ``folder`` holds the checkpoints to resume from; the finished run's is
    ``checkpoint.pt``, which is written before anything is measured or drawn: a run that fails there is
    resumed without training again. Under ``torchrun`` the processes share each batch, and rank 0 writes and
    prints.

    Args:
        recipe: what to train.
        folder: where to write; made if it is not there.
        setting: one of the recipe's settings, such as "course" or "tuned".
        epochs: instead of the setting's.
        data: where the data comes from.
        device: see :func:`~practicezoo.pick_device`.
        seed: seeds the split, the weights and the order.
        progress: whether to print what happens.
        resume: resume from the newest good checkpoint in ``folder``, or start if there is none. Everything
            else must be as before. A run that is finished is read, not trained again.
        init: trained weights to start from: "weights" for those that come with the library, one of their
            tags, or the path of a checkpoint or of a folder that :func:`~practicezoo.save` wrote. Where the
            classes are others, the last layer starts afresh.
        calibration_fraction: the fraction of each class of the training data that the network is not shown;
            the command `pack` chooses a temperature on it.

    Returns:
        What the run left behind; on a rank other than 0 the history alone.

    Raises:
        OSError: if ``folder`` cannot be written, another run trains into it, or it holds a run and ``resume``
            is not set.
        ValueError: if an argument or the data is wrong, or the run in ``folder`` is another one.
        FloatingPointError: if the loss becomes NaN or infinite; the checkpoints from before stay.
    """
    started = time.perf_counter()
    if world_size() > 1:
        raise ValueError(
            "train_recipe must be called outside distributed_context: it joins the others itself"
        )
    with ExitStack() as locks:
        with distributed_context(device) as context:
            experiment = prepare(
                recipe,
                setting,
                epochs=epochs,
                data=data,
                device=context.device,
                seed=seed,
                init=init,
                calibration_fraction=calibration_fraction,
            )
            run_folder = RunFolder(broadcast_object(str(folder)))
            # from before anything in the folder is looked at until the result is there
            run_on_main(lambda: locks.enter_context(run_folder.checkpoints.lock()))
            trained = train_experiment(experiment, run_folder, progress=progress, resume=resume)
        if not context.is_main:
            return TrainResult(trained.history, {}, {}, [])
        return measure_trained(trained, started=started)


def train_experiment(
    experiment: Experiment,
    run_folder: RunFolder,
    *,
    progress: bool,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Train what is left to train, and write the trained state to the disk. Every rank must call it."""
    identity = RunIdentity.of(experiment)
    resume_from = run_on_main(lambda: run_folder.open(identity, resume=resume))
    stage = run_on_main(lambda: run_folder.stage)
    progress = progress and is_main()
    if progress:
        print(_announcement(experiment, identity, run_folder, resume_from), flush=True)
    started = time.perf_counter()
    if stage in {"trained", "finished"}:
        state = run_on_main(lambda: run_folder.trained)
        model, history = experiment.build(), History()
        model.load_state_dict(state["model"])
        history.load_state_dict(state["history"])
    else:
        if resume_from is not None and experiment.held_out.any() and not experiment.setting.refit:
            run_on_main(run_folder.check_best)
        model, history = _train(experiment, identity, run_folder, callbacks, progress=progress)
        state = {
            **identity.as_dict(),
            **experiment.about(),
            "epoch": _chosen(history).get("best_epoch", len(history)),
            "history": history.state_dict(),
            "model": model.state_dict(),
        }
        run_on_main(lambda: run_folder.save_trained(state))
    return Trained(experiment, identity, run_folder, model, history, time.perf_counter() - started)


def measure_trained(trained: Trained, *, started: float) -> TrainResult:
    """Measure on the test data, write the result and draw the curve; what is finished is read."""
    experiment, identity, folder = trained.experiment, trained.identity, trained.folder
    if folder.stage == "finished":
        figures = folder.figures
        depends = {*identity.as_dict(), *NOT_MEASURED}
        measured = {name: value for name, value in figures.items() if name not in depends}
        return TrainResult(trained.history, measured, figures, folder.files)
    measured = {**_chosen(trained.history), **experiment.recipe.measure(trained.model, experiment.splits)}
    figures = {
        **identity.as_dict(),
        **measured,
        "training_seconds": round(trained.seconds, 2),
        "seconds": round(time.perf_counter() - started, 2),
        "versions": versions(),
        "machine": machine(),
    }
    folder.finish(figures)
    title = f"{identity.recipe} ({identity.setting}) on {identity.data}"
    try:
        _draw_curve(trained.history, folder.curve, title=title)
    except Exception as error:  # noqa: BLE001  # a figure is no reason to fail: the result is on the disk
        reason = str(error).partition("\n")[0] or type(error).__name__
        print(f"{folder.curve.name} is left out: {reason}", file=sys.stderr, flush=True)
    return TrainResult(trained.history, measured, figures, folder.files)


class _EpochLines(Callback):
    """Prints a line every so many epochs."""

    def __init__(self, *, every: int, shown: bool) -> None:
        self.every = every
        self.shown = shown

    def on_epoch_end(self, run: Run) -> None:
        if self.shown and (run.epoch % self.every == 0 or run.epoch == run.epochs):
            print(epoch_line(run), flush=True)


def _train(
    experiment: Experiment,
    identity: RunIdentity,
    folder: RunFolder,
    callbacks: Sequence[Callback],
    *,
    progress: bool,
) -> tuple[nn.Module, History]:
    """The network of the epoch that counts, and the history."""
    every = experiment.setting.report_every
    shows_bars = progress and every == 1
    # on a terminal fit itself leaves a line for each epoch
    lines = _EpochLines(every=every, shown=progress and not (shows_bars and is_interactive()))
    extra = {**identity.as_dict(), **experiment.about()}
    if experiment.setting.distillation is not None:
        experiment = distilled(
            experiment, experiment.setting.distillation, folder, extra=extra, progress=progress
        )
    model, history = experiment.train(
        folder.checkpoints,
        [CSVLogger(folder.history, every=every), lines, *callbacks],
        extra=extra,
        progress=shows_bars,
    )
    chosen = _chosen(history)
    if chosen and experiment.setting.refit:
        epochs = chosen["best_epoch"]
        if progress:
            print(f"retraining on all {len(experiment.held_out):,} for {epochs} epochs", flush=True)
        model = experiment.refit(epochs, folder.refit)
    elif chosen:
        best = load_checkpoint(folder.checkpoints.best, map_location=experiment.device)
        model.load_state_dict(best["model"])
    return model, history


def _chosen(history: History) -> dict[str, Any]:
    """The epoch that did best on validation data, and how well; nothing if there was none."""
    if CHOSEN_BY not in history:
        return {}
    best = history.best(CHOSEN_BY)
    return {"best_epoch": best.epoch, CHOSEN_BY: best.value}


def _announcement(
    experiment: Experiment, identity: RunIdentity, folder: RunFolder, resume_from: Path | None
) -> str:
    """What is about to happen."""
    if folder.stage == "finished":
        return f"the run in {folder.path} is finished"
    held_out = int(experiment.held_out.sum())
    sizes = [
        f"{len(experiment.held_out) - held_out:,} to train",
        f"{len(experiment.splits.test[1]):,} to test",
    ]
    if held_out:
        sizes.insert(1, f"{held_out:,} to choose the epoch")
    processes = f"{identity.processes} processes on " if identity.processes > 1 else ""
    about = f"{identity.recipe} ({identity.setting}) on {identity.data}, {processes}{identity.device}"
    resumes = "" if resume_from is None else f"\nresuming from {resume_from}"
    splits = experiment.splits  # a user's own file may hold other classes than the user thinks
    classes = f"\nclasses: {len(splits.classes)} ({', '.join(splits.classes)})" if splits.test_source else ""
    return f"{about}: {', '.join(sizes)}{classes}{resumes}"


def _draw_curve(history: History, path: Path, *, title: str) -> None:
    axes = history.plot(CHOSEN_BY if CHOSEN_BY in history else "train_loss")
    axes.set_title(title)
    figure: Any = axes.figure  # a whole one: get_figure(root=True), which types it, needs matplotlib 3.10
    with write_whole(path) as file:
        figure.savefig(file, dpi=150, format="png")
