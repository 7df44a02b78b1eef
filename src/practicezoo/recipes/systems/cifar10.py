"""CIFAR-10: ten kinds of small photographs, and the residual networks that were made for them."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from practicezoo.data import RandomFlip, RandomShift, load_cifar10, synthetic_digits
from practicezoo.data.images import ImageTensors
from practicezoo.recipes.recipe import DataOptions, Setting, Splits
from practicezoo.recipes.systems.images import SYNTHETIC, ImageRecipe, splits_of

__all__ = ["Cifar10ResNet20", "Cifar10ResNet56"]

IMAGE_SIZE = 32
NUM_SYNTHETIC = {"train": 12_000, "test": 2_000}
PAPER_EPOCHS, TUNED_EPOCHS = 164, 200  # 164: the paper's 64,000 updates
FLIP, SHIFT = RandomFlip(), RandomShift(4)


def flip_and_shift(images: Tensor) -> Tensor:
    """The paper's augmentation; what moves in at the border is black."""
    return SHIFT(FLIP(images))


def drop_twice(optimizer: Optimizer, _num_updates: int) -> LRScheduler:
    """A tenth of the learning rate after half of the epochs, and again after three quarters."""
    return MultiStepLR(optimizer, [PAPER_EPOCHS // 2, PAPER_EPOCHS * 3 // 4])


def cosine(optimizer: Optimizer, _num_updates: int) -> LRScheduler:
    """The learning rate falls to 0 along half a cosine."""
    return CosineAnnealingLR(optimizer, TUNED_EPOCHS)


SETTINGS = {
    "paper": Setting(
        epochs=PAPER_EPOCHS,
        batch_size=128,
        optimizer=lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
        lr_scheduler=drop_twice,
        transform=flip_and_shift,
    ),
    "tuned": Setting(
        epochs=TUNED_EPOCHS,
        batch_size=256,
        optimizer=lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
        lr_scheduler=cosine,
        transform=flip_and_shift,
    ),
}


class Cifar10Recipe(ImageRecipe):
    """Trains a residual network on CIFAR-10, or on digits of its form."""

    data = "--dataset cifar10 (50,000 images to train, 10,000 to test) below --data, or synthetic digits"
    datasets = ("cifar10", SYNTHETIC)
    settings: ClassVar = SETTINGS

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # nothing is sampled
        """Whole tensors of uint8 images, normalised batch by batch."""
        name = options.dataset or self.datasets[0]
        return splits_of(name, *(_images(name, split, options.root) for split in ("train", "test")))

    def setting_for(self, splits: Splits, name: str) -> Setting:
        """Digits are not flipped."""
        setting = super().setting_for(splits, name)
        return dataclasses.replace(setting, transform=SHIFT) if splits.source == SYNTHETIC else setting


class Cifar10ResNet20(Cifar10Recipe):
    """The paper's network of 20 layers."""

    name = "cifar10_resnet20"
    network = "resnet20"
    summary = "small photographs: ResNet of 20 layers"
    reference = "not of the course; 91.25 % in the paper, 92.60 % published for the tuned setting"


class Cifar10ResNet56(Cifar10Recipe):
    """The paper's network of 56 layers."""

    name = "cifar10_resnet56"
    network = "resnet56"
    summary = "small photographs: ResNet of 56 layers"
    reference = "not of the course; 93.03 % in the paper, 94.37 % published for the tuned setting"


def _images(name: str, split: str, root: Path | None) -> ImageTensors:
    if name != SYNTHETIC:
        return load_cifar10(split, root=root)  # type: ignore[arg-type]  # checked by load
    digits = synthetic_digits(NUM_SYNTHETIC[split], seed=int(split == "test"), image_size=IMAGE_SIZE)
    return dataclasses.replace(digits, images=digits.images.expand(-1, 3, -1, -1).contiguous())
