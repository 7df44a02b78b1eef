"""Digits and tables made by the library itself: for tests, examples and machines with no data."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from practicezoo.arguments import check_count
from practicezoo.data.images import ImageTensors

__all__ = ["synthetic_digits", "synthetic_table"]

# Ten glyphs of 5 x 7 dots side by side, a blank column between them.
GLYPHS = """
 ###    #    ###   ###     #  #####   ##  #####  ###   ### 
#   #  ##   #   # #   #   ##  #      #        # #   # #   #
#   #   #       #     #  # #  ####  #        #  #   # #   #
#   #   #      #    ##  #  #      # ####    #    ###   ####
#   #   #     #       # #####     # #   #  #    #   #     #
#   #   #    #    #   #    #  #   # #   #  #    #   #    # 
 ###   ###  #####  ###     #   ###   ###   #     ###   ##  
"""  # noqa: W291
NUM_CLASSES = 10
# whatever the user's default dtype and device are
FLOATS: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
CHUNK = 1024  # images made at once: the intermediate grids stay in the cache

# Of all pixels / 255, measured over 100,000 images, as for the real data sets.
MEAN, STD = 0.1391, 0.2656


def synthetic_digits(num_samples: int, *, seed: int, image_size: int = 28) -> ImageTensors:
    """Draw labelled images of the digits 0 to 9, a stand-in for MNIST that needs no file.

    A digit is a 5 x 7 glyph, turned, slanted, scaled, shifted and bent at random, in strokes of varying
    width and brightness, under noise. Classes are balanced: each has ``num_samples / 10`` images,
    rounded up or down. The images are a function of the arguments alone; torch's global generator is
    left as it is.

    Args:
        num_samples: how many images.
        seed: another seed gives other images: use two for training and test.
        image_size: height and width in pixels.

    Raises:
        ValueError: if ``num_samples`` is negative or ``image_size`` below 8.

    Example:
        >>> digits = synthetic_digits(30, seed=0)
        >>> digits.images.shape, digits.images.dtype
        (torch.Size([30, 1, 28, 28]), torch.uint8)
        >>> digits.targets.bincount().tolist()
        [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    check_count(num_samples=num_samples, at_least=0)
    check_count(image_size=image_size, at_least=8)  # the glyphs have 7 rows
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randperm(num_samples, generator=generator, device="cpu") % NUM_CLASSES
    images = torch.empty(num_samples, 1, image_size, image_size, dtype=torch.uint8, device="cpu")
    for chunk, labels in zip(images.split(CHUNK), targets.split(CHUNK), strict=True):
        chunk.copy_(_draw(labels, image_size, generator))
    return ImageTensors(images, targets, [str(digit) for digit in range(NUM_CLASSES)], MEAN, STD)


def synthetic_table(num_samples: int, *, seed: int, num_features: int = 8) -> tuple[Tensor, Tensor]:
    """A random table with a binary target, a stand-in for :class:`~practicezoo.DiabetesDataset`.

    Features are uniform in [-1, 1]. The target is 1 where the features at even places, counted from 0, have
    a greater sum than those at odd places: a straight boundary, which a logistic regression shows in
    its weights. The table is a function of the arguments alone; torch's global generator is left as it is.

    Args:
        num_samples: how many rows.
        seed: another seed gives other rows: use two for training and test.
        num_features: values in a row.

    Returns:
        Features and targets, for :class:`~practicezoo.TensorLoader`.

    Shape:
        - features: ``(num_samples, num_features)``, float32
        - targets: ``(num_samples, 1)``, float32

    Raises:
        ValueError: if ``num_samples`` is negative or ``num_features`` below 1.

    Example:
        >>> features, targets = synthetic_table(100, seed=0)
        >>> features.shape, targets.shape
        (torch.Size([100, 8]), torch.Size([100, 1]))
    """
    check_count(num_samples=num_samples, at_least=0)
    check_count(num_features=num_features)
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(num_samples, num_features, generator=generator, **FLOATS) * 2 - 1
    difference = features[:, 0::2].sum(dim=1, keepdim=True) - features[:, 1::2].sum(dim=1, keepdim=True)
    return features, (difference > 0).float()


def _draw(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Images ``(N, 1, size, size)`` of these digits, as floats from 0 to 255."""

    def chance(low: float, high: float) -> Tensor:
        """One number for each image, ``(N, 1, 1)``."""
        return torch.empty(len(labels), 1, 1, **FLOATS).uniform_(low, high, generator=generator)

    # where each pixel comes from in its glyph: shift, then turn, slant and scale, then bend
    centers = (torch.arange(size, **FLOATS) + 0.5) * (2 / size) - 1
    x, y = centers - chance(-0.25, 0.25), centers.view(-1, 1) - chance(-0.2, 0.2)
    angle, slant, width, height = chance(-0.25, 0.25), chance(-0.3, 0.3), chance(0.6, 1.1), chance(0.7, 1.1)
    source_y = (x * angle.sin() + y * angle.cos()) / height
    source_x = (x * angle.cos() - y * angle.sin()) / width + slant * source_y
    source_x = source_x + chance(0, 0.1) * (y * math.pi + chance(0, 2 * math.pi)).sin()
    glyphs = _glyphs()[labels]
    grid = torch.stack([source_x, source_y], dim=-1)  # (N, size, size, 2)
    ink = F.grid_sample(glyphs, grid, align_corners=False).squeeze(1)
    # where the threshold lies makes a stroke thin or thick
    strokes = ((ink - chance(0.3, 0.6)) * 5 + 0.5).clamp_(0, 1)
    noise = torch.randn(strokes.shape, generator=generator, **FLOATS) * chance(0, 0.15)
    return (strokes * chance(0.6, 1) + noise).clamp_(0, 1).mul_(255).round_().unsqueeze(1)


def _glyphs() -> Tensor:
    """The ten glyphs, each in the middle of a square of 9 x 9 dots, ``(10, 1, 9, 9)``."""
    rows = GLYPHS.strip("\n").split("\n")
    dots = torch.tensor([[dot == "#" for dot in row.ljust(6 * NUM_CLASSES)] for row in rows], device="cpu")
    glyphs = dots.float().view(7, NUM_CLASSES, 6).transpose(0, 1)[:, None, :, :5]
    return F.pad(glyphs, (2, 2, 1, 1))
