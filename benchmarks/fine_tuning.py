"""What do trained weights give a network that has ten samples of each class of another task?

Each arm trains the same network on the same few images with as many updates, at its own best learning rate;
one starts at random, the other from the weights that come with the library. Three tasks: scanned digits of
8x8 pixels, of other writers (scikit-learn's), and printed letters, turned, sheared and scaled at random:
filled capitals, and outlines of small ones.
"""

from collections.abc import Callable
from functools import partial
from string import ascii_lowercase, ascii_uppercase

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.report import environment
from benchmarks.tables import accuracies_table
from practicezoo import Accuracy, create_model, evaluate, fit, load
from practicezoo.data import TensorLoader

MODEL = "mnist_fast"
PER_CLASS = 10
NUM_SEEDS = 10
EPOCHS = 30
BATCH_SIZE = 20
# the best of 1e-3, 3e-3, 1e-2, 3e-2 and 6e-2 for each, on two seeds
LEARNING_RATES = {"from scratch": 3e-2, "fine-tuned": 1e-2}
CAPITALS, SMALL = ascii_uppercase, ascii_lowercase
LETTERS_PER_CLASS = 60


def scanned_digits() -> tuple[Tensor, Tensor]:
    """1,797 digits of 8x8 pixels, enlarged to MNIST's form: 20 pixels in the middle of 28.

    Shape:
        - images: `(N, 1, 28, 28)`, uint8
        - targets: `(N,)`
    """
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    small = torch.from_numpy(images.reshape(-1, 1, 8, 8)).float() / 16
    large = F.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    return (F.pad(large, (4, 4, 4, 4)) * 255).round().to(torch.uint8), torch.from_numpy(targets).long()


def printed_letters(letters: str, *, outlined: bool) -> tuple[Tensor, Tensor]:
    """Letters in Pillow's own type, each turned, sheared, scaled and moved at random.

    Args:
        letters: one class each.
        outlined: whether only their outlines are drawn.

    Shape:
        - images: `(N, 1, 28, 28)`, uint8
        - targets: `(N,)`
    """
    generator = np.random.default_rng(0)
    images, targets = [], []
    for target, letter in enumerate(letters):
        for _ in range(LETTERS_PER_CLASS):
            size = generator.uniform(14, 22)
            picture = Image.new("L", (28, 28))
            position = tuple(14 + generator.uniform(-3, 3, size=2))
            ImageDraw.Draw(picture).text(
                position,
                letter,
                fill=0 if outlined else 255,
                stroke_width=int(outlined),
                stroke_fill=255,
                font=ImageFont.load_default(size),
                anchor="mm",
            )
            shear = generator.uniform(-0.3, 0.3)
            picture = picture.transform((28, 28), Image.Transform.AFFINE, (1, shear, -14 * shear, 0, 1, 0))
            images.append(np.array(picture.rotate(generator.uniform(-25, 25), Image.Resampling.BILINEAR)))
            targets.append(target)
    return torch.from_numpy(np.stack(images)).unsqueeze(1), torch.tensor(targets)


TASKS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "digits of 8x8 pixels": scanned_digits,
    "printed capital letters": partial(printed_letters, CAPITALS, outlined=False),
    "outlined small letters": partial(printed_letters, SMALL, outlined=True),
}


def run(*, device: str, quick: bool) -> dict:
    """Train both arms for each seed; print accuracy on the other images, mean and standard deviation."""
    num_seeds, epochs = (1, 1) if quick else (NUM_SEEDS, EPOCHS)
    accuracies = {}
    for name, read in TASKS.items():
        images, targets = read()
        accuracies[name] = {
            arm: [
                _accuracy(arm, images, targets, seed=seed, epochs=epochs, device=device)
                for seed in range(num_seeds)
            ]
            for arm in LEARNING_RATES
        }
        print(accuracies_table(name, accuracies[name], quick=quick), flush=True)
    return {
        "environment": environment(device, "fp32", {"first": 0}),
        "comparisons": {},
        "per_class": PER_CLASS,
        "quick": quick,
        "accuracies": accuracies,
    }


def _accuracy(arm: str, images: Tensor, targets: Tensor, *, seed: int, epochs: int, device: str) -> float:
    chosen = _few_of_each(targets, seed)
    torch.manual_seed(seed)
    num_classes = int(targets.max()) + 1
    weights = "default" if arm == "fine-tuned" else None
    model = create_model(MODEL, weights=weights, num_classes=num_classes).to(device)
    normalize = load(MODEL).preprocess
    train = TensorLoader(
        images[chosen],
        targets[chosen],
        batch_size=BATCH_SIZE,
        shuffle=True,
        device=device,
        transform=normalize,
    )
    rest = TensorLoader(images[~chosen], targets[~chosen], batch_size=500, device=device, transform=normalize)
    lr = LEARNING_RATES[arm]
    optimizer = AdamW(model.parameters(), lr=lr)
    fit(
        model,
        train,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=epochs,
        lr_scheduler=OneCycleLR(optimizer, lr, total_steps=epochs * len(train)),
        progress=False,
    )
    return evaluate(model, rest, metrics={"accuracy": Accuracy()})["accuracy"]


def _few_of_each(targets: Tensor, seed: int) -> Tensor:
    """A mask of PER_CLASS rows of each class."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(targets), generator=generator)
    chosen = torch.zeros(len(targets), dtype=torch.bool)
    for label in targets.unique():
        chosen[order[targets[order] == label][:PER_CLASS]] = True
    return chosen
