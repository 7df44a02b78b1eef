"""How many shuffled, normalised images a second does TensorLoader give, against a DataLoader of PIL images?

No network: an epoch is read, and its batches of 64 arrive as float32 on the device. The DataLoader goes
through torchvision's MNIST, ToTensor and Normalize, image by image; its workers start anew with each
epoch, as they do by default. TensorLoader keeps the bytes on the device and normalises whole batches.
Both give the same images, bit for bit, which is checked first.

Two ways more have their images normalised beforehand, as float32 in four times the memory: a DataLoader over
a TensorDataset, and indexing by hand with all on the device, as the fastest programs do it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.datasets import TorchvisionDigits, training_images
from benchmarks.report import environment
from benchmarks.timing import Arm, compare
from practicezoo.data import ImageTensors, TensorLoader

BATCH_SIZE = 64
SEED = 0
NUM_IMAGES = 20_000  # enough that starting the workers weighs little
QUICK_SIZE = 300


def torchvision_epoch(digits: ImageTensors, device: str, num_workers: int) -> Callable[[], None]:
    """Return a step that reads an epoch image by image."""
    loader: DataLoader[Any] = DataLoader(
        TorchvisionDigits(digits), batch_size=BATCH_SIZE, shuffle=True, num_workers=num_workers
    )
    return partial(_read, loader, device)


def tensor_epoch(digits: ImageTensors, device: str) -> Callable[[], None]:
    """Return a step that reads an epoch batch by batch."""
    loader = TensorLoader(
        *digits.tensors(), batch_size=BATCH_SIZE, shuffle=True, device=device, transform=digits.normalize
    )

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def dataset_epoch(digits: ImageTensors, device: str, num_workers: int) -> Callable[[], None]:
    """Return a step that reads an epoch of normalised tensors one by one."""
    data = TensorDataset(digits.normalize(digits.images), digits.targets)
    loader: DataLoader[Any] = DataLoader(data, batch_size=BATCH_SIZE, shuffle=True, num_workers=num_workers)
    return partial(_read, loader, device)


def indexed_epoch(digits: ImageTensors, device: str) -> Callable[[], None]:
    """Return a step that indexes normalised images on the device."""
    images, targets = digits.normalize(digits.images.to(device)), digits.targets.to(device)

    def epoch() -> None:
        for rows in torch.randperm(len(targets), device=device).split(BATCH_SIZE):
            images[rows], targets[rows]

    return epoch


def _read(loader: DataLoader[Any], device: str) -> None:
    for images, targets in loader:
        images.to(device), targets.to(device)


def check_equal(digits: ImageTensors) -> None:
    """Raise RuntimeError if the two do not give the same batch without shuffling, bit for bit."""
    theirs = next(iter(DataLoader(TorchvisionDigits(digits), batch_size=BATCH_SIZE)))
    ours = next(iter(TensorLoader(*digits.tensors(), batch_size=BATCH_SIZE, transform=digits.normalize)))
    for what, mine, other in zip(("images", "targets"), ours, theirs, strict=True):
        if not torch.equal(mine, other):
            raise RuntimeError(f"the loaders must give the same {what}, but they differ")


def run(*, device: str, quick: bool) -> dict:
    """Read an epoch in each way; print seconds, images per second and the ratio to one process."""
    digits, source = training_images(QUICK_SIZE if quick else NUM_IMAGES)
    check_equal(digits)
    arm = partial(Arm, work=len(digits), unit="images")
    comparison = compare(
        [
            arm("DataLoader, no workers", partial(torchvision_epoch, digits, device, 0)),
            arm("DataLoader, 2 workers", partial(torchvision_epoch, digits, device, 2)),
            arm("TensorDataset, no workers", partial(dataset_epoch, digits, device, 0)),
            arm("TensorDataset, 2 workers", partial(dataset_epoch, digits, device, 2)),
            arm("TensorLoader", partial(tensor_epoch, digits, device)),
            arm("indexed by hand, normalised before", partial(indexed_epoch, digits, device)),
        ],
        reference="DataLoader, no workers",
        quick=quick,
        device=device,
        seed=SEED,
    )
    print(f"one epoch over {len(digits):,} images ({source})\n{comparison.table()}")
    return {
        "environment": environment(device, "fp32", {"order": SEED, "images": SEED}),
        "comparisons": {"reading an epoch of images": comparison.to_dict()},
        "data": {"source": source, "num_images": len(digits)},
        "settings": {"batch_size": BATCH_SIZE},
    }
