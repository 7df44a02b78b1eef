"""The data that several scripts train on."""

import os
from dataclasses import replace
from pathlib import Path

from torchvision import transforms
from torchvision.datasets import MNIST, VisionDataset

from practicezoo.data import ImageTensors, NameDataset, load_images, synthetic_digits

__all__ = ["TorchvisionDigits", "training_images", "training_names"]

COURSE_NAMES = "course/names_train.csv.gz"


def training_names() -> tuple[NameDataset, str]:
    """Return names to train on and where they come from.

    The course's 13,374 names where the data root PRACTICEZOO_DATA has them, else the small set that
    the library carries.
    """
    root = os.environ.get("PRACTICEZOO_DATA")
    if root and (Path(root) / COURSE_NAMES).exists():
        return NameDataset(Path(root) / COURSE_NAMES), COURSE_NAMES
    return NameDataset.mini("train"), "mini"


def training_images(num_images: int) -> tuple[ImageTensors, str]:
    """Return images to train on and where they come from.

    The first of MNIST's where the data root PRACTICEZOO_DATA has them, else drawn digits.

    Args:
        num_images: How many; MNIST has 60,000.
    """
    if os.environ.get("PRACTICEZOO_DATA"):
        try:
            digits = load_images("mnist", "train", download=False)
        except FileNotFoundError:
            pass
        else:
            images, targets = (tensor[:num_images] for tensor in digits.tensors())
            return replace(digits, images=images, targets=targets), "MNIST"
    return synthetic_digits(num_images, seed=0), "synthetic_digits"


class TorchvisionDigits(MNIST):  # type: ignore[misc]  # torchvision has no types
    """torchvision's MNIST over images in memory, with the usual transforms.

    Each item takes torchvision's own way, from a PIL image through ToTensor and Normalize; only the
    files are not asked for, which must be unpacked where torchvision can write.
    """

    def __init__(self, digits: ImageTensors) -> None:
        usual = transforms.Compose([transforms.ToTensor(), transforms.Normalize(digits.mean, digits.std)])
        VisionDataset.__init__(self, transform=usual)
        self.data, self.targets = digits.images.squeeze(1), digits.targets
