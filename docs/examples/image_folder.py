"""A folder of images, a subfolder for each class: ImageFolder and fit."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import to_pil_image

from practicezoo import Accuracy, evaluate, fit, seed_everything
from practicezoo.data import synthetic_digits


def write_images(folder, num_images, *, seed):
    """Stand-ins for your own files: folder/0/12.png, folder/7/13.png, ..."""
    digits = synthetic_digits(num_images, seed=seed)
    for number, (image, target) in enumerate(
        zip(*digits.tensors(), strict=True)
    ):
        place = Path(folder, digits.classes[target])
        place.mkdir(parents=True, exist_ok=True)
        to_pil_image(image).save(place / f"{number}.png")


def main():
    transform = v2.Compose(
        [
            v2.Grayscale(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.1391], [0.2656]),
        ]
    )
    with TemporaryDirectory() as root:
        write_images(f"{root}/train", 2000, seed=0)
        write_images(f"{root}/test", 500, seed=1)
        options = {
            "batch_size": 50,
            "num_workers": 1,
            "multiprocessing_context": "spawn",
            "persistent_workers": True,
        }
        train = DataLoader(
            ImageFolder(f"{root}/train", transform), shuffle=True, **options
        )
        test = DataLoader(ImageFolder(f"{root}/test", transform), **options)

        seed_everything(0)
        model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )
        optimizer = optim.Adam(model.parameters(), lr=2e-3)
        fit(
            model,
            train,
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=4,
        )
        print(evaluate(model, test, metrics={"accuracy": Accuracy()}))


if __name__ == "__main__":  # a spawned worker imports this file again
    main()
