"""Small programs that a check is given, sound unless an argument says otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.diagnostics import Finding, check

N, FEATURES, CLASSES = 32, 5, 3


@dataclass
class Program:
    """What `check` is given."""

    model: nn.Module
    loader: Iterable[Any]
    criterion: Any
    optimizer: Any = None
    val_loader: Any = None
    lr_scheduler: Any = None
    epochs: int | None = None

    def check(self) -> list[Finding]:
        return check(
            self.model,
            self.loader,
            criterion=self.criterion,
            optimizer=self.optimizer,
            val_loader=self.val_loader,
            lr_scheduler=self.lr_scheduler,
            epochs=self.epochs,
        )

    def codes(self) -> list[str]:
        return [finding.code for finding in self.check()]


def features(num_items: int = N) -> Tensor:
    return torch.randn(num_items, FEATURES)


def labels(num_items: int = N, num_classes: int = CLASSES) -> Tensor:
    """Each class, in no order."""
    return torch.arange(num_items)[torch.randperm(num_items)] % num_classes


def mlp(*last: nn.Module, outputs: int = CLASSES) -> nn.Sequential:
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, outputs), *last)


def classify(
    model: nn.Module | None = None,
    *,
    inputs: Any = None,
    targets: Tensor | None = None,
    criterion: Any = None,
    optimizer: Any = None,
) -> Program:
    """A sound classification, but for what is given."""
    inputs = features() if inputs is None else inputs
    targets = labels(len(inputs)) if targets is None else targets
    return Program(model or mlp(), [(inputs, targets)], criterion or nn.CrossEntropyLoss(), optimizer)


def decide(
    model: nn.Module | None = None, *, targets: Tensor | None = None, criterion: Any = None
) -> Program:
    """A sound binary classification, but for what is given."""
    targets = labels(num_classes=2)[:, None].float() if targets is None else targets
    return Program(model or mlp(outputs=1), [(features(), targets)], criterion or nn.BCEWithLogitsLoss())


def regress(*, targets: Tensor | None = None, criterion: Any = None) -> Program:
    """A sound regression, but for what is given."""
    targets = torch.randn(N, 1) if targets is None else targets
    return Program(mlp(outputs=1), [(features(), targets)], criterion or nn.MSELoss())
