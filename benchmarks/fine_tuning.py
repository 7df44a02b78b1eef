"""How much do the trained weights bring where there are ten samples of each class?

Two kinds of images that the weights have never seen: scikit-learn's 8x8 scans of digits, and printed capital
letters of twenty typefaces, turned and noisy. For each, networks are trained from their random start and from
the trained weights (learning rates fall towards the input; the letters get a fresh last layer), and the last
layer alone on frozen features. All see the same ten samples a class for the same number of updates; the rest
is the test. A seed chooses the samples, their order and the random start.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.transforms.v2.functional import pil_to_tensor

from benchmarks.report import environment
from benchmarks.tables import QUICK, accuracies_table
from practicezoo import Accuracy, TensorLoader, create_model, evaluate, fit, freeze, list_weights
from practicezoo.data import NormalizeImages, RandomShift
from practicezoo.training import parameter_groups, seed_everything

MODELS = ("mnist_mlp", "mnist_resnet")
NUM_SEEDS, PER_CLASS, EPOCHS, BATCH_SIZE = 10, 10, 20, 20
LR, LAYER_DECAY = 3e-3, 0.7
ARMS = ("from scratch", "fine-tuned", "last layer alone")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TYPEFACES = ("DejaVuSans*", "DejaVuSerif*", "STIXGeneral*", "cm[bmrst]*10.ttf")  # come with matplotlib

Data = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Target:
    """What the networks learn: images ``(N, 1, 28, 28)``, light on dark, and labels."""

    name: str
    num_classes: int
    read: Callable[[], Data]


def scanned_digits() -> Data:
    """Return 1,797 digits of 8x8 pixels, brought to 20x20 in a dark margin as MNIST's are."""
    digits = load_digits()
    small = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)
    images = F.pad(F.interpolate(small, size=(20, 20), mode="bilinear"), (4, 4, 4, 4))
    return images.round().to(torch.uint8), torch.from_numpy(digits.target).long()


def printed_letters(num_samples: int = 2600) -> Data:
    """Return capital letters in any of the typefaces, sizes and angles, on a noisy ground."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    found = sorted(
        path for pattern in TYPEFACES for path in folder.glob(pattern) if "Display" not in path.name
    )
    fonts = [ImageFont.truetype(str(path), size) for path in found for size in range(14, 25, 2)]
    chance = random.Random(0)
    pictures, labels = [], [number % len(LETTERS) for number in range(num_samples)]
    for label in labels:
        picture = Image.new("L", (28, 28))
        place = (14 + chance.uniform(-2, 2), 14 + chance.uniform(-2, 2))
        ink = chance.randint(150, 255)
        ImageDraw.Draw(picture).text(place, LETTERS[label], fill=ink, font=chance.choice(fonts), anchor="mm")
        turned = picture.rotate(chance.uniform(-25, 25), resample=Image.Resampling.BILINEAR)
        pictures.append(pil_to_tensor(turned))
    images = torch.stack(pictures).float()
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + 25 * noise).clamp(0, 255).round().to(torch.uint8), torch.tensor(labels)


TARGETS = (Target("scanned digits", 10, scanned_digits), Target("printed letters", 26, printed_letters))


def split(data: Data, seed: int) -> tuple[Data, Data]:
    """Choose ten samples of each class to train on; the rest is the test."""
    images, labels = data
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shuffled = labels[order]
    place = F.one_hot(shuffled).cumsum(dim=0).gather(1, shuffled[:, None])[:, 0]  # among those of its class
    chosen, rest = order[place <= PER_CLASS], order[place > PER_CLASS]
    return (images[chosen], labels[chosen]), (images[rest], labels[rest])


def network(model: str, arm: str, num_classes: int) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Return a network and what of it to train at which rate."""
    if arm == "from scratch":
        fresh = create_model(model, num_classes=num_classes)
        return fresh, parameter_groups(fresh, lr=LR)
    trained: Any = create_model(model, weights="default", num_classes=num_classes)
    if arm == "last layer alone":
        freeze(trained)
        trained.reset_head(num_classes)
        return trained, parameter_groups(trained, lr=LR)
    return trained, parameter_groups(trained, lr=LR, layer_decay=LAYER_DECAY)


def accuracy(model: str, arm: str, target: Target, data: Data, *, seed: int, epochs: int) -> float:
    """Train one network, and measure it."""
    train, test = split(data, seed)
    (weights,) = (each for each in list_weights(model) if each.default)
    normalize = NormalizeImages(weights.preprocessing["mean"], weights.preprocessing["std"])
    shift = RandomShift(2)
    seed_everything(seed)
    net, groups = network(model, arm, target.num_classes)
    loader = TensorLoader(
        *train, batch_size=BATCH_SIZE, shuffle=True, transform=lambda images: normalize(shift(images))
    )
    optimizer = AdamW(groups)
    rates = [group["lr"] for group in groups]
    fit(
        net,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=epochs,
        lr_scheduler=OneCycleLR(optimizer, rates, total_steps=epochs * len(loader)),
        progress=False,
    )
    test_loader = TensorLoader(*test, batch_size=500, transform=normalize)
    return evaluate(net, test_loader, metrics={"accuracy": Accuracy()})["accuracy"]


def run(*, device: str, quick: bool) -> dict:
    """Train every network of the comparison, and print the tables."""
    if device != "cpu":
        raise ValueError(f"device must be cpu for these small networks, got {device!r}")
    seeds, epochs = (2, 1) if quick else (NUM_SEEDS, EPOCHS)
    found = []
    for target in TARGETS:
        data = target.read()
        for model in MODELS[:1] if quick else MODELS:
            arms = {
                arm: [accuracy(model, arm, target, data, seed=seed, epochs=epochs) for seed in range(seeds)]
                for arm in ARMS
            }
            found.append({"target": target.name, "model": model, "reference": ARMS[0], "arms": arms})
            print(accuracies_table(found[-1]), flush=True)
    if quick:
        print(QUICK)
    return {
        "environment": environment(device, "fp32", {"samples": 0}),
        "comparisons": {},
        "accuracies": found,
        "quick": quick,
    }
