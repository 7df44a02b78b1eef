"""MNIST-1D: short signals in ten shapes, on which four families of networks are compared."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from practicezoo.data import TensorLoader, mnist1d_signals
from practicezoo.predictors.signals import SignalInput
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits, one_cycle
from practicezoo.runtime.device import device_of
from practicezoo.training import Accuracy, evaluate

__all__ = ["Mnist1DCNN", "Mnist1DGRU", "Mnist1DMLP", "Mnist1DRecipe", "Mnist1DTCN"]

SOURCE = "mnist1d"
MAX_SHIFT, MAX_SCALE, MAX_SLOPE, NOISE = 4, 0.2, 0.5, 0.05


def vary(signals: Tensor) -> Tensor:
    """Each signal ``(N, T, 1)`` turned by up to four steps, stretched, tilted and under a little noise."""
    num_signals, num_steps, _ = signals.shape

    def chance(most: float) -> Tensor:
        """One number for each signal, ``(N, 1, 1)``."""
        return torch.empty(num_signals, 1, 1, device=signals.device).uniform_(-most, most)

    shifts = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (num_signals, 1, 1), device=signals.device)
    places = torch.arange(num_steps, device=signals.device).view(1, -1, 1)
    turned = signals.gather(1, (places - shifts) % num_steps)
    slopes = chance(MAX_SLOPE) * torch.linspace(-1, 1, num_steps, device=signals.device).view(1, -1, 1)
    return turned * (1 + chance(MAX_SCALE)) + slopes + NOISE * torch.randn_like(signals)


def settings(*, epochs: int, max_lr: float, max_grad_norm: float | None = None) -> dict[str, Setting]:
    """AdamW in one cycle: "tuned" with each signal varied by :func:`vary`, "plain" without."""
    setting = Setting(
        epochs=epochs,
        batch_size=100,
        optimizer=lambda p: AdamW(p, lr=max_lr),
        lr_scheduler=one_cycle(max_lr),
        transform=vary,
        max_grad_norm=max_grad_norm,
        num_threads=1,  # a step's tensors are so small that more threads only wait for each other
    )
    return {"tuned": setting, "plain": dataclasses.replace(setting, transform=None)}


class Mnist1DRecipe(Recipe):
    """Trains the registered model of the recipe's name to classify signals of 40 values."""

    data = "MNIST-1D, 4,000 signals of 40 values to train and 1,000 to test, which the library makes"
    sample = "rows of 40 numbers with commas between them"

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # the data set has a seed of its own
        """The data set that the package ``mnist1d`` makes with its default arguments."""
        train, test = mnist1d_signals("train"), mnist1d_signals("test")
        return Splits(source=SOURCE, train=train, test=test, classes=[str(digit) for digit in range(10)])

    def model_config(self, splits: Splits) -> dict[str, Any]:
        """As many classes as the data has."""
        return {"num_classes": len(splits.classes)}

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """Accuracy on the test signals."""
        loader = TensorLoader(*splits.test, batch_size=1000, device=device_of(model), num_replicas=1)
        return evaluate(model, loader, metrics={"test_accuracy": Accuracy()})

    def preprocessing(self, splits: Splits) -> SignalInput:
        """Signals of as many numbers as the training data's."""
        return SignalInput(splits.train[0].shape[1])  # type: ignore[union-attr]  # see read


class Mnist1DMLP(Mnist1DRecipe):
    """Three linear layers."""

    name = "mnist1d_mlp"
    summary = "signals in ten shapes: three linear layers with ReLU"
    reference = "not of the course; 68 % in the data set's paper"
    settings: ClassVar[Mapping[str, Setting]] = settings(epochs=60, max_lr=5e-3)


class Mnist1DCNN(Mnist1DRecipe):
    """Three convolutions."""

    name = "mnist1d_cnn"
    summary = "signals in ten shapes: three convolutions with pooling"
    reference = "not of the course; 94 % in the data set's paper"
    settings: ClassVar[Mapping[str, Setting]] = settings(epochs=20, max_lr=1e-2)


class Mnist1DGRU(Mnist1DRecipe):
    """A bidirectional GRU."""

    name = "mnist1d_gru"
    summary = "signals in ten shapes: a bidirectional GRU"
    reference = "not of the course; 91 % in the data set's paper"
    settings: ClassVar[Mapping[str, Setting]] = settings(epochs=14, max_lr=1e-2, max_grad_norm=1.0)


class Mnist1DTCN(Mnist1DRecipe):
    """Four blocks of dilated convolutions."""

    name = "mnist1d_tcn"
    summary = "signals in ten shapes: a temporal convolutional network"
    reference = "not of the course"
    settings: ClassVar[Mapping[str, Setting]] = settings(epochs=15, max_lr=1e-2)
