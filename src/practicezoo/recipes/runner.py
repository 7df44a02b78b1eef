"""Running a recipe: train, choose the epoch on validation data, measure on test data, write it all down."""

import dataclasses
import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import practicezoo
from practicezoo.data import TensorLoader
from practicezoo.recipes.base import DataOptions, Recipe, Setting, SettingName, Splits
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
from practicezoo.training.device import device_of
from practicezoo.training.loop import epoch_line
from practicezoo.training.progress import is_interactive

__all__ = ["TrainResult", "load_trained", "train_recipe"]

CHOSEN_BY = "val_accuracy"


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind.

    Attributes:
        history: the values of each epoch.
        figures: what ``result.json`` holds.
        files: the files that were written.
    """

    history: History
    figures: Mapping[str, Any]
    files: list[Path]


class _Recorder(Callback):
    """Writes the history after each epoch, and a checkpoint after each epoch that is the best so far."""

    def __init__(self, folder: Path, state: Mapping[str, Any]) -> None:
        self.history_path = folder / "history.csv"
        self.checkpoint_path = folder / "checkpoint.pt"
        self.state = state

    def on_epoch_end(self, run: Run) -> None:
        run.history.to_csv(self.history_path)
        if run.history.best(CHOSEN_BY).epoch == run.epoch:
            self.save(run.model, run.epoch, run.history)
        if not is_interactive():
            print(epoch_line(run), flush=True)  # noqa: T201  # a terminal has the line from fit itself

    def save(self, model: nn.Module, epoch: int, history: History) -> None:
        progress = {"epoch": epoch, "history": history.state_dict()}
        save_checkpoint(self.checkpoint_path, {**self.state, **progress, "model": model.state_dict()})


def train_recipe(
    recipe: Recipe,
    folder: str | Path,
    *,
    setting: SettingName = "tuned",
    epochs: int | None = None,
    data: DataOptions | None = None,
    device: str = "auto",
    seed: int = 0,
) -> TrainResult:
    """Train a recipe and write history, curve, checkpoint and result into ``folder``.

    The epoch is the one with the best accuracy on validation data; a setting with ``refit`` then trains
    anew for that many epochs on all training data. The test data is looked at once, at the end.

    Args:
        recipe: what to train.
        folder: where to write; made if it is not there.
        setting: "course" or "tuned".
        epochs: instead of the setting's.
        data: where the data comes from.
        device: see :func:`~practicezoo.pick_device`.
        seed: seeds the split, the weights and the order.

    Raises:
        OSError: if ``folder`` cannot be written, or holds a run already.
        ValueError: if an argument or the data is wrong.
        FloatingPointError: if the loss becomes NaN or infinite; the best epoch's checkpoint stays.
    """
    target = pick_device(device)
    seed_everything(seed)
    folder = Path(folder)
    started = time.perf_counter()
    splits = recipe.load(data or DataOptions(), seed=seed)
    plan = recipe.setting_for(splits, setting)
    plan = plan if epochs is None else dataclasses.replace(plan, epochs=epochs)
    if plan.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {plan.epochs}")
    if not splits.held_out.any():
        raise ValueError(
            f"{splits.source} must have enough samples of each class to keep some for validation, "
            f"got {len(splits.held_out)} of {len(splits.classes)} classes"
        )
    _prepare(folder)
    config = {**recipe.model_config(splits), **plan.model_overrides}
    facts = {
        "recipe": recipe.name,
        "setting": setting,
        "data": splits.source,
        "seed": seed,
        "epochs": plan.epochs,
        "refit": plan.refit,
        "device": target.type,
    }
    _announce(facts, splits)
    recorder = _Recorder(
        folder, {**facts, "config": config, "classes": list(splits.classes), "saved": dict(splits.saved)}
    )
    model = recipe.build(config).to(target)
    val_loader = TensorLoader(*splits.part(splits.held_out), batch_size=1024, device=target)
    history = _fit(model, splits.part(~splits.held_out), plan, val_loader, [recorder])
    best = history.best(CHOSEN_BY)
    if plan.refit:
        print(f"training anew on all {len(splits.train[1]):,} for {best.epoch} epochs", flush=True)  # noqa: T201
        seed_everything(seed)
        model = recipe.build(config).to(target)
        _fit(model, splits.train, dataclasses.replace(plan, epochs=best.epoch), None, [])
        recorder.save(model, best.epoch, history)
    else:
        model.load_state_dict(load_checkpoint(recorder.checkpoint_path, map_location=target)["model"])
    figures = {
        **facts,
        "best_epoch": best.epoch,
        CHOSEN_BY: best.value,
        **recipe.measure(model, splits),
        "seconds": round(time.perf_counter() - started, 2),
        "versions": versions(),
    }
    result_path = folder / "result.json"
    result_path.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    curve = _draw_curve(history, folder / "curve.png", title=f"{recipe.name} ({setting}) on {splits.source}")
    files = [recorder.history_path, *curve, recorder.checkpoint_path, result_path]
    return TrainResult(history, figures, files)


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
    state = load_checkpoint(checkpoint)
    if state.get("recipe") != recipe.name:
        raise ValueError(
            f"{checkpoint} must be a checkpoint of {recipe.name}, got one of {state.get('recipe')}"
        )
    try:
        model = recipe.build(state["config"])
        model.load_state_dict(state["model"])
        complete = len(state["classes"]) == state["config"]["num_classes"]
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


def _fit(
    model: nn.Module,
    data: tuple[Tensor | PaddedSequence, Tensor],
    plan: Setting,
    val_loader: TensorLoader | None,
    callbacks: Sequence[Callback],
) -> History:
    train_loader = TensorLoader(
        *data, batch_size=plan.batch_size, shuffle=True, device=device_of(model), transform=plan.transform
    )
    optimizer = plan.optimizer(model.parameters())
    lr_scheduler = None
    if plan.lr_scheduler is not None:
        lr_scheduler = plan.lr_scheduler(optimizer, len(train_loader) * plan.epochs)
    with _threads(plan.num_threads):
        return fit(
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
        )


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Compute with that many threads; the number from before comes back at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _announce(facts: Mapping[str, Any], splits: Splits) -> None:
    held_out = int(splits.held_out.sum())
    sizes = len(splits.held_out) - held_out, held_out, len(splits.test[1])
    print(  # noqa: T201
        f"{facts['recipe']} ({facts['setting']}) on {facts['data']}, {facts['device']}: "
        f"{sizes[0]:,} to train, {sizes[1]:,} to choose the epoch, {sizes[2]:,} to test"
    )


def _prepare(folder: Path) -> None:
    """Make the folder and see that it can be written, before hours of training."""
    if (folder / "checkpoint.pt").exists():
        raise FileExistsError(f"{folder} must not hold a run already: choose another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".writable"
    probe.touch()
    probe.unlink()


def _draw_curve(history: History, path: Path, *, title: str) -> list[Path]:
    try:
        axes = history.plot(CHOSEN_BY)
    except ImportError as error:
        print(f"{path.name} is left out: {error}")  # noqa: T201
        return []
    axes.set_title(title)
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101  # plot drew it on one
    figure.savefig(path, dpi=150)
    return [path]
