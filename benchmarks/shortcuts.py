"""How do the shortcuts of He et al. 2016 train ResNet-20?

The same network of 20 layers with each shortcut, from the same seeds, with one setting for all of them:
a thousand synthetic digits of 16x16 pixels, or CIFAR-10 where its files lie below `PRACTICEZOO_DATA`. The
setting suits the plain shortcut, and a gate that starts all but shut has hardly opened after so few updates:
a low figure here is no verdict on a shortcut. For the other side of the argument see the authors of highway
networks (Greff et al., arXiv:1612.07771).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.report import environment
from benchmarks.tables import accuracies_table
from practicezoo import Accuracy, create_model, evaluate, fit, synthetic_digits
from practicezoo.data import RandomFlip, RandomShift, TensorLoader, load_cifar10
from practicezoo.data.images import ImageTensors

ARMS = ("pad", "auto", "conv1x1", "conv3x3", "scale", "exclusive_gate", "shortcut_gate", "dropout")
MAX_LR = 0.1


class Task(NamedTuple):
    """What the networks learn, and for how long."""

    title: str
    train: ImageTensors
    test: ImageTensors
    flips: bool
    epochs: int
    batch_size: int
    num_seeds: int


def digits(*, quick: bool) -> Task:
    """A thousand drawn digits, or a few."""
    num_train, num_test, epochs = (40, 20, 1) if quick else (1000, 1000, 6)
    train = synthetic_digits(num_train, seed=0, image_size=16)
    test = synthetic_digits(num_test, seed=1, image_size=16)
    return Task("synthetic digits", train, test, flips=False, epochs=epochs, batch_size=50, num_seeds=2)


def photographs() -> Task | None:
    """CIFAR-10, or None where its files are not."""
    try:
        train, test = load_cifar10("train", download=False), load_cifar10("test", download=False)
    except FileNotFoundError:
        return None
    return Task("CIFAR-10", train, test, flips=True, epochs=100, batch_size=128, num_seeds=3)


def run(*, device: str, quick: bool) -> dict:
    """Train each shortcut from each seed; print accuracy on the test images, mean and standard deviation."""
    task = (None if quick else photographs()) or digits(quick=quick)
    arms, seeds = (ARMS[:2], range(1)) if quick else (ARMS, range(task.num_seeds))
    accuracies = {arm: [accuracy(arm, task, seed=seed, device=device) for seed in seeds] for arm in arms}
    print(accuracies_table(task.title, accuracies, quick=quick), flush=True)
    return {
        "environment": environment(device, "fp32", {"first": 0}),
        "comparisons": {},
        "quick": quick,
        "settings": {"epochs": task.epochs, "batch_size": task.batch_size, "max_lr": MAX_LR},
        "accuracies": {task.title: accuracies},
    }


def accuracy(shortcut: str, task: Task, *, seed: int, device: str) -> float:
    """Train one network and measure it on the test images."""
    torch.manual_seed(seed)
    model = create_model("resnet20", in_channels=task.train.images.shape[1], shortcut=shortcut).to(device)
    train = TensorLoader(
        *task.train.tensors(),
        batch_size=task.batch_size,
        shuffle=True,
        device=device,
        transform=_augmented(task),
    )
    test = TensorLoader(*task.test.tensors(), batch_size=500, device=device, transform=task.test.normalize)
    optimizer = SGD(model.parameters(), lr=MAX_LR, momentum=0.9, weight_decay=1e-4)
    fit(
        model,
        train,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=task.epochs,
        lr_scheduler=OneCycleLR(optimizer, MAX_LR, total_steps=task.epochs * len(train)),
        progress=False,
    )
    return evaluate(model, test, metrics={"accuracy": Accuracy()})["accuracy"]


def _augmented(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    shift, flip = RandomShift(task.train.images.shape[-1] // 8), RandomFlip()

    def augmented(images: torch.Tensor) -> torch.Tensor:
        return task.train.normalize(shift(flip(images) if task.flips else images))

    return augmented
