"""CIFAR-10 as whole tensors: files, download and checksums are torchvision's."""

from pathlib import Path
from typing import Literal

import torch

from practicezoo.arguments import check_choice
from practicezoo.data.images import DOWNLOAD_ERRORS, ImageTensors
from practicezoo.data.root import data_root

__all__ = ["load_cifar10"]

FOLDER = "cifar-10-batches-py"
# of all training pixels, to four digits
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def load_cifar10(
    split: Literal["train", "test"], *, root: str | Path | None = None, download: bool = True
) -> ImageTensors:
    """Load CIFAR-10: 50,000 colour images of 32x32 pixels to train and 10,000 to test, in ten classes.

    The files are those of torchvision's ``CIFAR10``, which compares their checksums before it reads them:
    the folder ``cifar-10-batches-py`` below the data root.

    Args:
        split: "train" or "test".
        root: the data root. Default: ``PRACTICEZOO_DATA``, else the user's cache folder.
        download: whether missing files may be downloaded into the data root.

    Raises:
        ValueError: if ``split`` is unknown.
        FileNotFoundError: if files are missing or damaged and cannot be downloaded; the message says where
            they belong.

    Example:
        >>> load_cifar10("train", root="tests", download=False)
        Traceback (most recent call last):
        FileNotFoundError: tests/cifar-10-batches-py must hold CIFAR-10's files, undamaged, and ...

    Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
    """
    check_choice(("train", "test"), split=split)
    from torchvision.datasets import CIFAR10  # a heavy package, imported where it is needed

    folder = data_root(root)
    try:
        loaded = CIFAR10(str(folder), train=split == "train", download=download)
    except DOWNLOAD_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileNotFoundError(
            f"{folder / FOLDER} must hold CIFAR-10's files, undamaged, and "
            + (f"the download failed: {reason}" if download else "downloading is switched off")
            + ". Copy them there, or name a data root that has them (--data or PRACTICEZOO_DATA), or do "
            "without them (--dataset synthetic)"
        ) from error
    images = torch.from_numpy(loaded.data).permute(0, 3, 1, 2).contiguous()
    return ImageTensors(images, torch.tensor(loaded.targets), list(loaded.classes), MEAN, STD)
