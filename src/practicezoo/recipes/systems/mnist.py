"""Handwritten digits: the course's networks for MNIST, which train on its relatives too."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import nn
from torch.optim import SGD, Adam, AdamW

from practicezoo.data import RandomShift, RandomWarp, load_images, synthetic_digits
from practicezoo.data.images import ImageTensors
from practicezoo.predictors import ImageInput
from practicezoo.recipes.recipe import DataOptions, Setting, Splits, one_cycle
from practicezoo.recipes.systems.images import SYNTHETIC, ImageRecipe, splits_of

__all__ = [
    "MnistCNN",
    "MnistFast",
    "MnistInception",
    "MnistMLP",
    "MnistRecipe",
    "MnistResNet",
    "MnistResNetNotes",
    "MnistTiny",
]

NUM_SYNTHETIC = {"train": 12_000, "test": 2_000}
AFFINE = RandomWarp(degrees=10, shear=10, scale=0.1, max_pixels=2)
MILD = RandomWarp(degrees=8, shear=8, scale=0.08, max_pixels=1, bend=0.7)
BENT = RandomWarp(degrees=10, shear=10, scale=0.1, max_pixels=2, bend=1, probability=0.75)


def adam(*, batch_size: int, epochs: int) -> Setting:
    """The notes' training."""
    return Setting(epochs=epochs, batch_size=batch_size, optimizer=lambda p: Adam(p, lr=0.01))


def sgd(*, epochs: int = 10) -> Setting:
    """The lecture's training."""
    return Setting(epochs=epochs, batch_size=64, optimizer=lambda p: SGD(p, lr=0.01, momentum=0.5))


def tuned(*, max_lr: float, max_shift: int) -> Setting:
    """Ten epochs of AdamW in one cycle, each image shifted by up to ``max_shift`` pixels."""
    return Setting(
        epochs=10,
        batch_size=128,
        optimizer=lambda p: AdamW(p, lr=max_lr),
        lr_scheduler=one_cycle(max_lr),
        transform=RandomShift(max_shift),
    )


def best(*, epochs: int, max_lr: float, augment: RandomWarp) -> Setting:
    """Many epochs of AdamW in one cycle, each image moved by ``augment``; ends with averaged weights."""
    return Setting(
        epochs=epochs,
        batch_size=128,
        optimizer=lambda p: AdamW(p, lr=max_lr),
        lr_scheduler=one_cycle(max_lr),
        transform=augment,
        precision="bf16",
        averaging=0.999,
    )


class MnistRecipe(ImageRecipe):
    """Trains the registered model of the recipe's name to classify 28x28 images of ten kinds."""

    data = "--dataset mnist (60,000 images to train, 10,000 to test) or one of its relatives, below --data"
    datasets = ("mnist", "fashion_mnist", "kmnist", SYNTHETIC)
    course_data = "mnist"

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # nothing is sampled
        """Whole tensors of uint8 images, normalised batch by batch."""
        name = options.dataset or self.datasets[0]
        return splits_of(name, *(_images(name, split, options.root) for split in ("train", "test")))

    def preprocessing(self, splits: Splits) -> ImageInput:
        """Digits and the like are light on dark."""
        images = super().preprocessing(splits)
        return images if splits.source == "fashion_mnist" else dataclasses.replace(images, background="dark")


class MnistMLP(MnistRecipe):
    """Five linear layers."""

    name = "mnist_mlp"
    summary = "digits: five linear layers with ReLU"
    reference = "96 % (Adam, notes), 97 % (SGD, lecture) after 10 epochs"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"median_test_accuracy": (0.95, 1)}
    judged_epochs = 5
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": adam(batch_size=64, epochs=10),
        "lecture": sgd(),
        "tuned": tuned(max_lr=4e-3, max_shift=2),
        "best": best(epochs=60, max_lr=2e-3, augment=AFFINE),
    }


class MnistCNN(MnistRecipe):
    """Two convolutions."""

    name = "mnist_cnn"
    summary = "digits: two convolutions with pooling"
    reference = "98 % after 5 epochs (Adam, notes), 98.69 % after 10 (SGD, lecture)"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"median_test_accuracy": (0.98, 1)}
    judged_epochs = 3
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": adam(batch_size=128, epochs=5),
        "lecture": sgd(),
        "tuned": tuned(max_lr=1e-2, max_shift=1),
        "best": best(epochs=60, max_lr=1e-2, augment=MILD),
    }


class MnistInception(MnistRecipe):
    """Two Inception blocks."""

    name = "mnist_inception"
    summary = "digits: two Inception blocks"
    reference = "98.66 % after 10 epochs, 98.88 % at best (lecture)"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"test_accuracy": (0.986, 1)}
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": sgd(),
        "tuned": tuned(max_lr=5e-3, max_shift=2),
        "best": best(epochs=18, max_lr=5e-3, augment=BENT),
    }


class MnistResNet(MnistRecipe):
    """The lecture's two residual blocks."""

    name = "mnist_resnet"
    summary = "digits: two residual blocks behind convolutions"
    reference = "99.01 % after 10 epochs (lecture)"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"test_accuracy": (0.987, 1)}
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": sgd(),
        "tuned": tuned(max_lr=1e-2, max_shift=2),
        "best": best(epochs=20, max_lr=5e-3, augment=BENT),
    }


class MnistResNetNotes(MnistRecipe):
    """The notes' two residual blocks."""

    name = "mnist_resnet_notes"
    summary = "digits: the notes' two residual blocks with 3x3 convolutions as shortcuts"
    reference = "98 % after 10 epochs (notes)"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"median_test_accuracy": (0.98, 1)}
    judged_epochs = 5
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": adam(batch_size=128, epochs=10),
        "tuned": tuned(max_lr=1e-2, max_shift=2),
        "best": best(epochs=20, max_lr=1e-2, augment=BENT),
    }


class MnistFast(MnistRecipe):
    """The library's own small network: 99 % as soon as can be."""

    name = "mnist_fast"
    summary = "digits: 99 % in seconds, with a small network of our own"
    reference = "not of the course"
    settings: ClassVar[Mapping[str, Setting]] = {
        "tuned": Setting(
            epochs=1,
            batch_size=200,
            optimizer=lambda p: AdamW(p, lr=0.025, fused=True),
            lr_scheduler=one_cycle(0.025),
            criterion=lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
            precision="bf16",
        ),
        "best": best(epochs=10, max_lr=1e-2, augment=BENT),
    }


class MnistTiny(MnistRecipe):
    """The library's own smallest network."""

    name = "mnist_tiny"
    summary = "digits: as good as can be with fewer than 7,000 parameters"
    reference = "not of the course"
    settings: ClassVar[Mapping[str, Setting]] = {
        "tuned": tuned(max_lr=2e-2, max_shift=1),
        "best": best(epochs=30, max_lr=2e-2, augment=MILD),
    }


def _images(name: str, split: str, root: Path | None) -> ImageTensors:
    if name == SYNTHETIC:
        return synthetic_digits(NUM_SYNTHETIC[split], seed=int(split == "test"))
    return load_images(name, split, root=root)  # type: ignore[arg-type]  # checked by load
