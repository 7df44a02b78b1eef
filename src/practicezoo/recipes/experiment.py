"""A recipe made ready: its network, its data, and how it trains, alone or among several processes."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.arguments import check_choice, check_count
from practicezoo.data import TensorLoader
from practicezoo.recipes.holdout import hold_out
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits
from practicezoo.runtime.collectives import main_process_first
from practicezoo.runtime.processes import rank, world_size
from practicezoo.sequences import PaddedSequence
from practicezoo.training import Accuracy, Callback, Checkpointer, History, fit, seed_everything

__all__ = ["CHOSEN_BY", "REFIT", "Experiment", "prepare"]

CHOSEN_BY = "val_accuracy"
REFIT = "refit"  # the folder of the second training's checkpoints


@dataclass(frozen=True)
class Experiment:
    """A recipe's network, its data and how it trains."""

    recipe: Recipe
    plan: Setting
    splits: Splits
    config: Mapping[str, Any]
    held_out: Tensor
    device: torch.device
    seed: int

    def train(
        self,
        folder: Path,
        callbacks: Sequence[Callback],
        *,
        extra: Mapping[str, Any],
        resume_from: Path | None,
        progress: bool,
    ) -> tuple[nn.Module, History]:
        """Train from the seed on, or from ``resume_from``; the last epoch's network.

        Checkpoints go to ``folder``, with ``extra`` in them; the best epoch's stays, if one is to be chosen.
        """
        monitor = CHOSEN_BY if self.held_out.any() else None
        return self._fit(
            self.splits.part(~self.held_out),
            self.plan,
            val_loader=self.val_loader(),
            callbacks=[*callbacks, self._checkpointer(folder, monitor=monitor, extra=extra)],
            resume_from=resume_from,
            progress=progress,
        )

    def train_anew(self, epochs: int, folder: Path) -> nn.Module:
        """Train from the seed on, on all training data; goes on where an earlier call was interrupted."""
        folder = folder / REFIT
        model, _ = self._fit(
            self.splits.train,
            dataclasses.replace(self.plan, epochs=epochs),
            val_loader=None,
            callbacks=[self._checkpointer(folder)],
            resume_from=folder,
            progress=False,
        )
        return model

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
        self, data: tuple[Tensor | PaddedSequence, Tensor], plan: Setting
    ) -> tuple[nn.Module, TensorLoader, Optimizer]:
        """The network as it starts from the seed, the loader of ``data``, and the optimizer."""
        seed_everything(self.seed)
        model = self.recipe.build(self.config).to(self.device)
        processes = world_size()
        train_loader = TensorLoader(
            *data,
            batch_size=_share(plan.batch_size, len(data[1]), processes),
            shuffle=plan.batch_size < len(data[1]),  # in a batch of all, the order is nothing but rounding
            device=self.device,
            transform=_chain(plan.transform, self.splits.transform),
            seed=self.seed if processes > 1 else None,
            num_replicas=processes,
            rank=rank(),
        )
        if processes > 1:  # each draws its own dropout and augmentation
            seed_everything((self.seed + 7919 * rank()) % 2**32)
        return model, train_loader, plan.optimizer(model.parameters())

    def _checkpointer(
        self, folder: Path, *, monitor: str | None = None, extra: Mapping[str, Any] | None = None
    ) -> Checkpointer:
        every = self.plan.report_every * -(-len(self.splits.train[1]) // self.plan.batch_size)
        return Checkpointer(
            folder, every="epoch" if self.plan.report_every == 1 else every, monitor=monitor, extra=extra
        )

    def _fit(
        self,
        data: tuple[Tensor | PaddedSequence, Tensor],
        plan: Setting,
        *,
        val_loader: TensorLoader | None,
        callbacks: Sequence[Callback],
        resume_from: Path | None,
        progress: bool,
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
                resume_from=resume_from,
                progress=progress,
            )
        return model, history


def prepare(
    recipe: Recipe,
    setting: str,
    *,
    epochs: int | None = None,
    data: DataOptions | None = None,
    device: torch.device,
    seed: int,
) -> Experiment:
    """Read the data and settle how to train on it.

    Raises:
        OSError: if a file of the data is missing or cannot be read.
        ValueError: if an argument or the data is wrong.
    """
    check_choice(recipe.settings, of=f" for {recipe.name}", setting=setting)
    if epochs is not None:
        check_count(epochs=epochs)
    seed_everything(seed)  # refuses a wrong one before the data is read
    data = data or DataOptions()
    if data.dataset is None:
        data = dataclasses.replace(data, dataset=recipe.settings[setting].dataset)
    with main_process_first():  # one process downloads, the others find the files
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
    return Experiment(recipe, plan, splits, config, held_out, device, seed)


def _share(batch_size: int, num_samples: int, processes: int) -> int:
    """Rows for each process in a batch: together they make the same batch as one process alone."""
    if batch_size % processes and batch_size < num_samples:
        raise ValueError(
            f"the batch size {batch_size} must be a multiple of the number of processes, got {processes}"
        )
    return -(-batch_size // processes)


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
