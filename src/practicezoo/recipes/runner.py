"""Running a recipe: train, choose the epoch on validation data, measure on test data, write it all down."""

import dataclasses
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import practicezoo
from practicezoo.data import TensorLoader
from practicezoo.recipes.base import DataOptions, Recipe, Setting, Splits
from practicezoo.recipes.splits import hold_out
from practicezoo.sequences import PaddedSequence
from practicezoo.training import (
    Accuracy,
    Callback,
    History,
    Run,
    fit,
    load_checkpoint,
    pick_device,
    save_checkpoint,
    seed_everything,
)
from practicezoo.training.loop import epoch_line
from practicezoo.training.progress import is_interactive

__all__ = ["TrainResult", "load_trained", "prepare", "train_recipe"]

CHOSEN_BY = "val_accuracy"


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
    """Writes the history after each epoch, and a checkpoint if the epoch is the best or none is chosen."""

    def __init__(self, folder: Path, state: Mapping[str, Any], *, every: int, prints: bool) -> None:
        self.history_path = folder / "history.csv"
        self.checkpoint_path = folder / "checkpoint.pt"
        self.state = state
        self.every = every
        self.prints = prints

    def on_epoch_end(self, run: Run) -> None:
        is_due = run.epoch % self.every == 0 or run.epoch == run.epochs
        if is_due:
            run.history.to_csv(self.history_path)
        if run.history.best(CHOSEN_BY).epoch == run.epoch if CHOSEN_BY in run.history else is_due:
            self.save(run.model, run.epoch, run.history)
        if is_due and self.prints:
            print(epoch_line(run), flush=True)  # noqa: T201

    def save(self, model: nn.Module, epoch: int, history: History) -> None:
        progress = {"epoch": epoch, "history": history.state_dict()}
        save_checkpoint(self.checkpoint_path, {**self.state, **progress, "model": model.state_dict()})


@dataclass(frozen=True)
class _Job:
    """A recipe's network, its data and how it trains."""

    recipe: Recipe
    plan: Setting
    splits: Splits
    config: Mapping[str, Any]
    held_out: Tensor
    device: torch.device
    seed: int
    progress: bool

    def train(self, callbacks: Sequence[Callback]) -> tuple[nn.Module, History]:
        """Train from the seed on; the last epoch's network."""
        return self._fit(self.splits.part(~self.held_out), self.plan, self.val_loader(), callbacks)

    def train_anew(self, epochs: int) -> nn.Module:
        """Train from the seed on, on all training data."""
        return self._fit(self.splits.train, dataclasses.replace(self.plan, epochs=epochs), None, [])[0]

    def val_loader(self) -> TensorLoader | None:
        """What is held out to choose the epoch."""
        if not self.held_out.any():
            return None
        return TensorLoader(
            *self.splits.part(self.held_out),
            batch_size=1024,
            device=self.device,
            transform=self.splits.transform,
        )

    def assemble(
        self, data: tuple[Tensor | PaddedSequence, Tensor], plan: Setting
    ) -> tuple[nn.Module, TensorLoader, Optimizer]:
        """The network as it starts from the seed, the loader of ``data``, and the optimizer."""
        seed_everything(self.seed)
        model = self.recipe.build(self.config).to(self.device)
        train_loader = TensorLoader(
            *data,
            batch_size=plan.batch_size,
            shuffle=plan.batch_size < len(data[1]),  # in a batch of all, the order is nothing but rounding
            device=self.device,
            transform=_chain(plan.transform, self.splits.transform),
        )
        return model, train_loader, plan.optimizer(model.parameters())

    def _fit(
        self,
        data: tuple[Tensor | PaddedSequence, Tensor],
        plan: Setting,
        val_loader: TensorLoader | None,
        callbacks: Sequence[Callback],
    ) -> tuple[nn.Module, History]:
        model, train_loader, optimizer = self.assemble(data, plan)
        lr_scheduler = None
        if plan.lr_scheduler is not None:
            lr_scheduler = plan.lr_scheduler(optimizer, len(train_loader) * plan.epochs)
        with _threads(plan.num_threads):
            history = fit(
                model,
                train_loader,
                criterion=plan.criterion(),
                optimizer=optimizer,
                epochs=plan.epochs,
                val_loader=val_loader,
                metrics=None if val_loader is None else {"accuracy": Accuracy()},
                lr_scheduler=lr_scheduler,
                precision=plan.precision,
                max_grad_norm=plan.max_grad_norm,
                callbacks=callbacks,
                progress=self.progress,
            )
        return model, history


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
) -> TrainResult:
    """Train a recipe and write history, curve, checkpoint and result into ``folder``.

    Where the setting holds out data for validation, the epoch is the one that is best on it, and a
    setting with ``refit`` then trains anew for that many epochs on all training data. Otherwise the
    last epoch counts. The test data is looked at once, at the end.

    Args:
        recipe: what to train.
        folder: where to write; made if it is not there.
        setting: one of the recipe's settings, such as "course" or "tuned".
        epochs: instead of the setting's.
        data: where the data comes from.
        device: see :func:`~practicezoo.pick_device`.
        seed: seeds the split, the weights and the order.
        progress: whether to print what happens.

    Raises:
        OSError: if ``folder`` cannot be written, or holds a run already.
        ValueError: if an argument or the data is wrong.
        FloatingPointError: if the loss becomes NaN or infinite; the best epoch's checkpoint stays.
    """
    started = time.perf_counter()
    folder = Path(folder)
    target = pick_device(device)
    data = data or DataOptions()
    job = prepare(recipe, setting, epochs=epochs, data=data, device=target, seed=seed, progress=progress)
    _make_folder(folder)
    facts = {
        "recipe": recipe.name,
        "setting": setting,
        "data": job.splits.source,
        "seed": seed,
        "epochs": job.plan.epochs,
        "refit": job.plan.refit,
        "device": job.device.type,
    }
    about = {"config": dict(job.config), "classes": list(job.splits.classes), "saved": dict(job.splits.saved)}
    if progress:
        _announce(facts, job)
    # on a terminal fit itself leaves a line for each epoch
    prints = progress and not (job.progress and is_interactive())
    recorder = _Recorder(folder, {**facts, **about}, every=job.plan.report_every, prints=prints)
    training_started = time.perf_counter()
    model, history = job.train([recorder])
    chosen = {}
    if CHOSEN_BY in history:
        best = history.best(CHOSEN_BY)
        chosen = {"best_epoch": best.epoch, CHOSEN_BY: best.value}
        if job.plan.refit:
            if progress:
                print(f"training anew on all {len(job.held_out):,} for {best.epoch} epochs", flush=True)  # noqa: T201
            model = job.train_anew(best.epoch)
            recorder.save(model, best.epoch, history)
        else:
            state = load_checkpoint(recorder.checkpoint_path, map_location=job.device)
            model.load_state_dict(state["model"])
    training_seconds = time.perf_counter() - training_started
    measured = {**chosen, **recipe.measure(model, job.splits)}
    figures = {
        **facts,
        **measured,
        "training_seconds": round(training_seconds, 2),
        "seconds": round(time.perf_counter() - started, 2),
        "versions": versions(),
    }
    result_path = folder / "result.json"
    result_path.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    title = f"{recipe.name} ({setting}) on {job.splits.source}"
    curve = _draw_curve(history, folder / "curve.png", title=title)
    files = [recorder.history_path, *curve, recorder.checkpoint_path, result_path]
    return TrainResult(history, measured, figures, files)


def load_trained(
    recipe: Recipe, checkpoint: str | Path, *, device: str = "auto"
) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a checkpoint, ready to predict, and the checkpoint's state.

    Args:
        recipe: the recipe that the checkpoint is of.
        checkpoint: its file.
        device: see :func:`~practicezoo.pick_device`.

    Raises:
        ValueError: if the file is damaged, no checkpoint, or another recipe's.
    """
    target = pick_device(device)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"checkpoint must be a file that train wrote, got {checkpoint}")
    state = load_checkpoint(checkpoint)
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


def prepare(
    recipe: Recipe,
    setting: str,
    *,
    epochs: int | None,
    data: DataOptions,
    device: torch.device,
    seed: int,
    progress: bool,
) -> _Job:
    """Read the data and settle how to train on it."""
    if setting not in recipe.settings:
        raise ValueError(
            f"setting must be one of {', '.join(recipe.settings)} for {recipe.name}, got {setting!r}"
        )
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    seed_everything(seed)  # refuses a wrong one before the data is read
    if data.dataset is None:
        data = dataclasses.replace(data, dataset=recipe.settings[setting].dataset)
    splits = recipe.load(data, seed=seed)
    plan = recipe.setting_for(splits, setting)
    plan = plan if epochs is None else dataclasses.replace(plan, epochs=epochs)
    targets = splits.train[1]
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    if plan.held_out:
        held_out = hold_out(targets, share=plan.held_out, seed=seed)
        if not held_out.any():
            raise ValueError(
                f"{splits.source} must have enough samples of each class to keep some for validation, "
                f"got {len(targets)} of {len(splits.classes)} classes"
            )
    config = {**recipe.model_config(splits), **plan.model_overrides}
    bars = progress and plan.report_every == 1
    return _Job(recipe, plan, splits, config, held_out, device, seed, bars)


def _chain(
    first: Callable[[Any], Any] | None, then: Callable[[Any], Any] | None
) -> Callable[[Any], Any] | None:
    if first is None or then is None:
        return first or then
    return lambda inputs: then(first(inputs))


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Compute with that many threads; the number from before comes back at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _announce(facts: Mapping[str, Any], job: _Job) -> None:
    held_out = int(job.held_out.sum())
    sizes = [f"{len(job.held_out) - held_out:,} to train", f"{len(job.splits.test[1]):,} to test"]
    if held_out:
        sizes.insert(1, f"{held_out:,} to choose the epoch")
    about = f"{facts['recipe']} ({facts['setting']}) on {facts['data']}, {facts['device']}"
    print(f"{about}: {', '.join(sizes)}", flush=True)  # noqa: T201


def _make_folder(folder: Path) -> None:
    """Make the folder and see that it can be written, before hours of training."""
    if (folder / "checkpoint.pt").exists():
        raise FileExistsError(f"{folder} must not hold a run already: choose another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".writable"
    probe.touch()
    probe.unlink()


def _draw_curve(history: History, path: Path, *, title: str) -> list[Path]:
    try:
        axes = history.plot(CHOSEN_BY if CHOSEN_BY in history else "train_loss")
    except ImportError as error:
        print(f"{path.name} is left out: {error}")  # noqa: T201
        return []
    axes.set_title(title)
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101  # plot drew it on one
    figure.savefig(path, dpi=150)
    return [path]
