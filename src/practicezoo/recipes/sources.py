"""Where the recipes' data comes from: titles, licences and files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicezoo.data.root import data_root

__all__ = ["Source", "source_of"]

MNIST_FILES = tuple(
    f"MNIST/raw/{part}-ubyte.gz"
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
)


@dataclass(frozen=True)
class Source:
    """A data set as a card names it.

    Attributes:
        title: what it is.
        license: its licence.
        cite: whom to cite.
        files: its files below the data root; none for what comes with the library.
    """

    title: str
    license: str
    cite: str
    files: Sequence[str] = ()

    def digests(self, root: Path | None) -> dict[str, str]:
        """The SHA-256 of each file."""
        folder = data_root(root) if self.files else None
        return {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in self.files
            if folder is not None
        }

    def as_dict(self, root: Path | None) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return {"title": self.title, "license": self.license, "files": self.digests(root)}


SOURCES = {
    "mnist": Source(
        "MNIST, 60,000 handwritten digits to train and 10,000 to test, 28x28 pixels",
        "CC BY-SA 3.0",
        "LeCun, Bottou, Bengio and Haffner, 1998, Gradient-based learning applied to document recognition",
        MNIST_FILES,
    ),
    "cifar10": Source(
        "CIFAR-10, 50,000 colour images of ten kinds to train and 10,000 to test, 32x32 pixels",
        "not stated",
        "Krizhevsky, 2009, Learning multiple layers of features from tiny images",
        tuple(
            f"cifar-10-batches-py/{part}"
            for part in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
        ),
    ),
    "mnist1d": Source(
        "MNIST-1D, 4,000 signals of 40 values to train and 1,000 to test, in ten shapes",
        "Apache-2.0",
        "Greydanus and Kobak, 2024, Scaling down deep learning with MNIST-1D (arXiv:2011.14439)",
    ),
    "course names": Source(
        "the course's names, 13,374 surnames of 18 countries to train and 6,700 to test",
        "MIT, through their first collection, practical-pytorch",
        "Robertson, 2017, practical-pytorch: classifying names with a character-level RNN",
        ("course/names_train.csv.gz", "course/names_test.csv.gz"),
    ),
    "mini names": Source(
        "the names that come with practicezoo, 1,891 surnames of 18 countries",
        "MIT, as the library",
        "the practicezoo developers",
    ),
    "diabetes": Source(
        "the course's table with its two faults repaired, 759 rows of eight measurements",
        "public domain (CC0)",
        "Smith et al., 1988, Using the ADAP learning algorithm to forecast the onset of diabetes mellitus",
        ("course/diabetes.csv.gz",),
    ),
}


def source_of(data: str) -> Source:
    """The source of a run's data; a user's own file has no licence that is known here."""
    return SOURCES.get(data, Source(data, "not stated", "whoever made it"))
