"""The MNIST family as whole tensors: files, download and checksums are torchvision's."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor

from practicezoo.arguments import check_choice
from practicezoo.data.idx import MAX_BYTES, find_idx
from practicezoo.data.normalize import NormalizeImages
from practicezoo.data.root import data_root

__all__ = ["ImageTensors", "load_images"]

ImageSet: TypeAlias = Literal["mnist", "fashion_mnist", "kmnist", "emnist"]
EMNISTSplit: TypeAlias = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]

IMAGE_SIZE = 28

TORCHVISION_NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "emnist": "EMNIST",
}
# Mean and standard deviation of all training pixels to four digits, as everyone writes them. For the other
# sets the figures in circulation contradict each other, so they are measured.
STATISTICS = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}
DOWNLOAD_ERRORS = (RuntimeError, OSError, EOFError, HTTPException, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class ImageTensors:
    """Labelled images as two whole tensors, for :class:`~practicezoo.TensorLoader`.

    Args:
        images: the images as they are stored.
        targets: the class index of each image.
        classes: the classes' names, in the order of their indices.
        mean: the mean of the data set's training pixels, divided by 255; one number, or one for each channel.
        std: their standard deviation.

    Shape:
        - images: ``(N, C, H, W)``, uint8
        - targets: ``(N,)``, int64

    Example:
        >>> from practicezoo.data import TensorLoader, synthetic_digits
        >>> digits = synthetic_digits(100, seed=0)
        >>> loader = TensorLoader(*digits.tensors(), batch_size=32, transform=digits.normalize)
        >>> images, targets = next(iter(loader))
        >>> images.shape, images.dtype
        (torch.Size([32, 1, 28, 28]), torch.float32)
    """

    images: Tensor
    targets: Tensor
    classes: list[str]
    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __len__(self) -> int:
        return len(self.images)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """The images and the targets."""
        return self.images, self.targets

    @property
    def normalize(self) -> NormalizeImages:
        """Turns batches of the images into float32 with the data set's own mean and standard deviation."""
        return NormalizeImages(self.mean, self.std)


def load_images(
    name: ImageSet,
    split: Literal["train", "test"],
    *,
    root: str | Path | None = None,
    download: bool = True,
    emnist_split: EMNISTSplit = "balanced",
    max_bytes: int = MAX_BYTES,
) -> ImageTensors:
    """Load MNIST, Fashion-MNIST, KMNIST or EMNIST.

    The files are those of torchvision's data set classes (``MNIST/raw/train-images-idx3-ubyte`` and so
    on below the data root), unpacked or as .gz archives. What is there is read as it is and nothing is
    written; only if files are missing, torchvision downloads, verifies and unpacks them.

    ``mean`` and ``std`` are those of all training pixels, rounded to four digits: for MNIST the usual
    0.1307 and 0.3081. For KMNIST and EMNIST they are measured each time, for the test split also on the
    training images. Classes are named as torchvision names them; EMNIST's images, stored transposed,
    are turned upright.

    Args:
        name: "mnist", "fashion_mnist", "kmnist" or "emnist".
        split: "train" or "test".
        root: the data root. Default: ``PRACTICEZOO_DATA``, else the user's cache folder.
        download: whether missing files may be downloaded into the data root.
        emnist_split: which of EMNIST's six splits: "byclass", "bymerge", "balanced", "letters" (whose
            labels begin at 1), "digits" or "mnist".
        max_bytes: what a .gz archive may unpack to; default: 1 GiB, twice the largest of the family.

    Raises:
        ValueError: if ``name``, ``split`` or ``emnist_split`` is unknown, or a file is cut short, damaged
            or at odds with the others; the message names it.
        FileNotFoundError: if files are missing and cannot be downloaded; the message lists them.
        PermissionError: if a file may not be read; the message names it.

    Example:
        >>> load_images("mnist", "train", root="tests", download=False)
        Traceback (most recent call last):
        FileNotFoundError: tests/MNIST/raw must hold train-images-idx3-ubyte and ...

    Source: LeCun et al., the MNIST database of handwritten digits; Xiao et al. (arXiv:1708.07747);
    Clanuwat et al. (arXiv:1812.01718); Cohen et al. (arXiv:1702.05373).
    """
    check_choice(get_args(ImageSet), name=name)
    check_choice(("train", "test"), split=split)
    check_choice(get_args(EMNISTSplit), emnist_split=emnist_split)
    from torchvision import datasets  # a heavy package, imported where it is needed

    family = getattr(datasets, TORCHVISION_NAMES[name])
    options = {"split": emnist_split} if name == "emnist" else {}
    classes = list(family.classes_split_dict[emnist_split] if name == "emnist" else family.classes)
    folder = data_root(root)

    def load(part: str) -> tuple[Tensor, Tensor]:
        images, targets = _load_split(
            family, options, part, folder, len(classes), download=download, max_bytes=max_bytes
        )
        return (images.mT if name == "emnist" else images).contiguous(), targets

    images, targets = load(split)
    if name in STATISTICS:
        mean, std = STATISTICS[name]
    else:
        measured = NormalizeImages.from_images(images if split == "train" else load("train")[0])
        mean, std = round(measured.mean[0], 4), round(measured.std[0], 4)
    return ImageTensors(images, targets, classes, mean, std)


def _load_split(
    family: Any,
    options: Mapping[str, str],
    split: str,
    root: Path,
    num_classes: int,
    *,
    download: bool,
    max_bytes: int,
) -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 28, 28)`` and targets ``(N,)``, from files that are there or from torchvision."""
    prefix = f"emnist-{options['split']}-{split}" if options else {"train": "train", "test": "t10k"}[split]
    folder = root / family.__name__ / "raw"
    paths = folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte"
    images, targets = (
        find_idx(path, num_dims=num_dims, max_bytes=max_bytes)
        for path, num_dims in zip(paths, (3, 1), strict=True)
    )
    if images is None or targets is None:
        missing = [path.name for path, found in zip(paths, (images, targets), strict=True) if found is None]
        _check_root(root, folder, missing)
        if not download:
            raise _missing(folder, missing, "downloading is switched off")
        try:
            loaded = family(str(root), train=split == "train", download=True, **options)
        except DOWNLOAD_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise _missing(folder, missing, f"the download failed: {reason}") from error
        images, targets = loaded.data, loaded.targets
    return _checked(images, targets, paths, num_classes)


def _check_root(root: Path, folder: Path, missing: list[str]) -> None:
    """Raise FileNotFoundError if the missing files lie at the root itself, or one folder below it."""
    for place in (root, root / "raw"):
        if not all((place / name).is_file() or (place / f"{name}.gz").is_file() for name in missing):
            continue
        parts = folder.relative_to(root)
        is_named = place.resolve().parts[-2:] == parts.parts
        advice = f"give {place.resolve().parents[1]}" if is_named else f"move them to {folder}"
        raise FileNotFoundError(
            f"the data root must be the folder that holds {parts}, got {root}, and {place} has the files: "
            f"{advice}"
        )


def _missing(folder: Path, names: list[str], reason: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"{folder} must hold {' and '.join(names)}, as they are or as .gz archives; they are not there and "
        f"{reason}. Copy them there, or name a data root that has them (--data or PRACTICEZOO_DATA), or do "
        "without them (--dataset synthetic, in Python synthetic_digits)"
    )


def _checked(
    images: Tensor, targets: Tensor, paths: tuple[Path, Path], num_classes: int
) -> tuple[Tensor, Tensor]:
    if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(
            f"{paths[0]}: the images must be {IMAGE_SIZE}x{IMAGE_SIZE}, got shape {tuple(images.shape)}"
        )
    if len(images) != len(targets):
        raise ValueError(
            f"{paths[1]}: there must be a label for each of the {len(images)} images in {paths[0].name}, "
            f"got {len(targets)}"
        )
    wrong = (targets >= num_classes).nonzero()
    if len(wrong):
        index = int(wrong[0])
        raise ValueError(
            f"{paths[1]}: labels must be below {num_classes}, got {int(targets[index])} at index {index}"
        )
    return images.unsqueeze(1), targets.long()
