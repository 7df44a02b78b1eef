"""A recipe made ready: its network, its data, and how it trains, alone or among several processes."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.arguments import as_path, check_choice, check_count, check_fraction
from practicezoo.data import TensorLoader
from practicezoo.models.pretrained import load_weights
from practicezoo.predictors import Predictor, load
from practicezoo.recipes.holdout import hold_out, set_aside
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits, changed
from practicezoo.runtime.collectives import main_process_first
from practicezoo.runtime.processes import rank, world_size
from practicezoo.sequences import PaddedSequence
from practicezoo.training import (
    Accuracy,
    Callback,
    Checkpointer,
    History,
    WeightAveraging,
    fit,
    seed_everything,
)
from practicezoo.training.checkpoints.folder import CheckpointFolder
from practicezoo.weights.records import find_weights

__all__ = ["CHOSEN_BY", "Experiment", "prepare"]

CHOSEN_BY = "val_accuracy"


@dataclass(frozen=True)
class Experiment:
    """A recipe's network, its data and how it trains."""

    recipe: Recipe
    setting: Setting
    setting_name: str
    splits: Splits
    config: Mapping[str, Any]
    held_out: Tensor
    device: torch.device
    seed: int
    start: Predictor | None = None
    start_name: str | None = None
    calibration_fraction: float = 0.0

    def train(
        self,
        checkpoints: CheckpointFolder,
        callbacks: Sequence[Callback],
        *,
        extra: Mapping[str, Any],
        progress: bool,
    ) -> tuple[nn.Module, History]:
        """Train from the seed on, or from the newest of the checkpoints; the last epoch's network.

        The checkpoints have ``extra`` in them; the best epoch's stays, if one is to be chosen.
        """
        monitor = CHOSEN_BY if self.held_out.any() else None
        return self._fit(
            self.splits.part(~self.held_out),
            self.setting,
            val_loader=self.val_loader(),
            callbacks=[*callbacks, self._checkpointer(checkpoints, monitor=monitor, extra=extra)],
            resume_from=checkpoints.path,
            progress=progress,
        )

    def refit(
        self, epochs: int, checkpoints: CheckpointFolder, *, extra: Mapping[str, Any] | None = None
    ) -> nn.Module:
        """Train from the seed on, or from the newest of the checkpoints, on all training data.

        The checkpoints have ``extra`` in them.
        """
        model, _ = self._fit(
            self.splits.train,
            dataclasses.replace(self.setting, epochs=epochs),
            val_loader=None,
            callbacks=[self._checkpointer(checkpoints, extra=extra)],
            resume_from=checkpoints.path,
            progress=False,
        )
        return model

    def build(self) -> nn.Module:
        """The network, on its device."""
        return self.recipe.build(self.config).to(self.device)

    def about(self) -> dict[str, Any]:
        """What a checkpoint needs beside the weights to predict."""
        return {
            "config": dict(self.config),
            "classes": list(self.splits.classes),
            "saved": dict(self.splits.saved),
            "predictor": self.recipe.describe(self.splits, self.config),
        }

    def val_loader(self) -> TensorLoader | None:
        """What is held out to choose the epoch."""
        if not self.held_out.any():
            return None
        return TensorLoader(
            *self.splits.part(self.held_out),
            batch_size=1024,
            device=self.device,
            transform=self.splits.transform,
            num_replicas=world_size(),
            rank=rank(),
        )

    def assemble(
        self, data: tuple[Tensor | PaddedSequence, Tensor], setting: Setting
    ) -> tuple[nn.Module, TensorLoader, Optimizer]:
        """The network as it starts from the seed, the loader of ``data``, and the optimizer."""
        seed_everything(self.seed)
        model = self.build()
        if self.start is not None:
            load_weights(
                model,
                self.start.model.state_dict(),
                name=str(self.start_name),
                fresh_head=[*self.start.classes] != [*self.splits.classes],
            )
        processes = world_size()
        train_loader = TensorLoader(
            *data,
            batch_size=_rows_per_process(setting.batch_size, len(data[1]), processes),
            shuffle=setting.batch_size < len(data[1]),  # in a batch of all, the order is nothing but rounding
            device=self.device,
            transform=_compose(setting.transform, self.splits.transform),
            seed=self.seed if processes > 1 else None,
            num_replicas=processes,
            rank=rank(),
        )
        if processes > 1:  # each draws its own dropout and augmentation
            seed_everything((self.seed + 7919 * rank()) % 2**32)
        return model, train_loader, setting.optimizer(model.parameters())

    def _checkpointer(
        self,
        checkpoints: CheckpointFolder,
        *,
        monitor: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Checkpointer:
        every = self.setting.report_every * -(-len(self.splits.train[1]) // self.setting.batch_size)
        return Checkpointer(
            checkpoints,
            every="epoch" if self.setting.report_every == 1 else every,
            monitor=monitor,
            extra=extra,
        )

    def _fit(
        self,
        data: tuple[Tensor | PaddedSequence, Tensor],
        setting: Setting,
        *,
        val_loader: TensorLoader | None,
        callbacks: Sequence[Callback],
        resume_from: Path,
        progress: bool,
    ) -> tuple[nn.Module, History]:
        model, train_loader, optimizer = self.assemble(data, setting)
        lr_scheduler = None
        if setting.lr_scheduler is not None:
            lr_scheduler = setting.lr_scheduler(optimizer, len(train_loader) * setting.epochs)
        if setting.averaging is not None:
            callbacks = [WeightAveraging(model, decay=setting.averaging, copy_back=True), *callbacks]
        with _threads(setting.num_threads):
            history = fit(
                model,
                train_loader,
                criterion=setting.criterion(),
                optimizer=optimizer,
                epochs=setting.epochs,
                val_loader=val_loader,
                metrics=None if val_loader is None else {"accuracy": Accuracy()},
                lr_scheduler=lr_scheduler,
                precision=setting.precision,
                max_grad_norm=setting.max_grad_norm,
                callbacks=callbacks,
                resume_from=resume_from,
                progress=progress,
            )
        return model, history


def prepare(
    recipe: Recipe,
    setting_name: str,
    *,
    epochs: int | None = None,
    data: DataOptions | None = None,
    device: torch.device,
    seed: int,
    init: str | Path | None = None,
    calibration_fraction: float = 0.0,
) -> Experiment:
    """Read the data and settle how to train on it.

    Raises:
        OSError: if a file of the data is missing or cannot be read.
        ValueError: if an argument or the data is wrong.
    """
    check_choice(recipe.settings, of=f" for {recipe.name}", setting=setting_name)
    if epochs is not None:
        check_count(epochs=epochs)
    check_fraction(calibration_fraction=calibration_fraction)
    seed_everything(seed)  # refuses a wrong one before the data is read
    start = None if init is None else _trained(recipe, init)
    data = data or DataOptions()
    if data.dataset is None:
        data = dataclasses.replace(data, dataset=recipe.settings[setting_name].dataset)
    with main_process_first():  # one process downloads, the others find the files
        splits = recipe.load(data, seed=seed)
    if calibration_fraction:
        splits, _ = set_aside(splits, fraction=calibration_fraction, seed=seed)
    setting = recipe.setting_for(splits, setting_name)
    if epochs is not None:
        setting = changed(setting, epochs=epochs)
    targets = splits.train[1]
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    if setting.held_out:
        held_out = hold_out(targets, fraction=setting.held_out, seed=seed)
        if not held_out.any():
            raise ValueError(
                f"{splits.source} must have enough samples of each class to keep some for validation, "
                f"got {len(targets)} of {len(splits.classes)} classes"
            )
    config = {**recipe.model_config(splits), **setting.model_overrides}
    name = None if start is None else f"{init} ({_fingerprint(start)})"
    return Experiment(
        recipe,
        setting,
        setting_name,
        splits,
        config,
        held_out,
        device,
        seed,
        start,
        name,
        calibration_fraction,
    )


def _trained(recipe: Recipe, init: str | Path) -> Predictor:
    """The predictor whose weights a run starts from."""
    if as_path(init) is not None:
        return load(init)
    tag = "default" if init == "weights" else str(init)
    return load(find_weights(recipe.name, tag, given=str(init)))


def _fingerprint(start: Predictor) -> str:
    digest = hashlib.sha256()
    for tensor in start.model.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _rows_per_process(batch_size: int, num_samples: int, processes: int) -> int:
    """Rows for each process in a batch: together they make the same batch as one process alone."""
    if batch_size % processes and batch_size < num_samples:
        raise ValueError(
            f"the batch size {batch_size} must be a multiple of the number of processes, got {processes}"
        )
    return -(-batch_size // processes)


def _compose(
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
