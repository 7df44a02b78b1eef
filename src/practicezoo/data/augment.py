"""Augmentation of whole batches, each image by its own chance."""

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from practicezoo.arguments import check_choice, check_count, check_fraction

__all__ = ["RandomFlip", "RandomShift", "RandomWarp"]

POINTS = 6  # in a row of the net that bends an image: 5 pixels apart in one of 28

PaddingMode: TypeAlias = Literal["constant", "edge"]


class RandomWarp:
    """Rotates, shears, scales, shifts and bends each image of a batch, at random.

    Every image has its own numbers, each sampled uniformly between minus and plus its bound by torch's global
    generator of the images' device; pixels between pixels are interpolated. All of it is one map, so an image
    is interpolated once.

    Args:
        degrees: the largest angle of the rotation about the image's centre.
        shear: the largest angle, in degrees, by which columns lean.
        scale: the largest change of width and of height, each sampled by itself, as a fraction of them.
        max_pixels: the largest shift in each direction; shifts need not be whole pixels.
        bend: the standard deviation, in pixels, of the normal distribution that the displacements of a coarse
            net of points are sampled from; the pixels between are moved with them.
        fill: the value that moves in at the border: 0 is black in uint8 images.
        probability: how likely an image is moved at all. The others stay as they are, as sharp as those that
            the network will see; what is interpolated is a little blurred.

    Shape:
        - images: ``(N, C, H, W)``, any dtype; integers are rounded
        - output: the same

    Raises:
        ValueError: if an angle is outside [0, 90), ``scale`` outside [0, 1), ``max_pixels`` negative, or a
            batch has another shape; if ``bend`` is negative or ``probability`` outside (0, 1].
        TypeError: if a batch is no tensor.

    Example:
        >>> images = torch.ones(3, 1, 28, 28, dtype=torch.uint8)
        >>> turned = RandomWarp(degrees=15, scale=0.1, max_pixels=2)(images)
        >>> turned.shape, turned.dtype
        (torch.Size([3, 1, 28, 28]), torch.uint8)

    Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
    document analysis" (2003).
    """

    def __init__(
        self,
        *,
        degrees: float = 0.0,
        shear: float = 0.0,
        scale: float = 0.0,
        max_pixels: float = 0.0,
        bend: float = 0.0,
        fill: float = 0.0,
        probability: float = 1.0,
    ) -> None:
        for name, angle in {"degrees": degrees, "shear": shear}.items():
            if not 0 <= angle < 90:
                raise ValueError(f"{name} must be an angle in [0, 90), got {angle}")
        check_fraction(scale=scale)
        for name, pixels in {"max_pixels": max_pixels, "bend": bend}.items():
            if not 0 <= pixels < math.inf:
                raise ValueError(f"{name} must be at least 0, got {pixels}")
        _check_probability(probability)
        self.degrees = degrees
        self.shear = shear
        self.scale = scale
        self.max_pixels = max_pixels
        self.bend = bend
        self.fill = fill
        self.probability = probability

    def __call__(self, images: Tensor) -> Tensor:
        """Rotate, shear, scale, shift and bend each image of a batch."""
        _check_batch(images)
        if images.numel() == 0:  # torch's own sampling refuses it
            return images.clone()
        pixels = images if images.dtype == torch.float64 else images.float()
        grid = F.affine_grid(self._maps(pixels), list(images.shape), align_corners=False)
        if self.bend:
            grid = grid + self._displacements(pixels)
        moved = F.grid_sample(pixels - self.fill, grid, align_corners=False) + self.fill
        moved = (moved if images.is_floating_point() else moved.round()).to(images.dtype)
        if self.probability < 1:
            stays = torch.rand(len(images), 1, 1, 1, device=images.device) >= self.probability
            moved = torch.where(stays, images, moved)
        return moved

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(degrees={self.degrees}, shear={self.shear}, scale={self.scale}, "
            f"max_pixels={self.max_pixels}, bend={self.bend}, fill={self.fill}, "
            f"probability={self.probability})"
        )

    def _maps(self, pixels: Tensor) -> Tensor:
        """From each place of the result to its source, in the coordinates of ``affine_grid``: (N, 2, 3)."""
        num_images, _, height, width = pixels.shape
        angle, lean, wider, higher, right, down = (
            torch.rand(6, num_images, dtype=pixels.dtype, device=pixels.device) * 2 - 1
        )
        angle, lean = angle * math.radians(self.degrees), (lean * math.radians(self.shear)).tan()
        x_factor, y_factor = 1 / (1 + wider * self.scale), 1 / (1 + higher * self.scale)
        cos, sin = angle.cos(), angle.sin()
        aspect = height / width  # the coordinates reach from -1 to 1 whatever the sides
        x_row = [
            x_factor * (cos + lean * sin),
            x_factor * (lean * cos - sin) * aspect,
            right * self.max_pixels * 2 / width,
        ]
        y_row = [y_factor * sin / aspect, y_factor * cos, down * self.max_pixels * 2 / height]
        return torch.stack([*x_row, *y_row], dim=1).view(num_images, 2, 3)

    def _displacements(self, pixels: Tensor) -> Tensor:
        """How far each place of the grid is moved by bending: (N, H, W, 2)."""
        num_images, _, height, width = pixels.shape
        net = torch.randn(num_images, 2, POINTS, POINTS, dtype=pixels.dtype, device=pixels.device) * self.bend
        field = F.interpolate(net, (height, width), mode="bilinear", align_corners=True)
        return field.permute(0, 2, 3, 1) * pixels.new_tensor([2 / width, 2 / height])


class RandomShift:
    """Shifts each image of a batch by up to ``max_pixels`` in each direction, at random.

    Every image has its own shift, sampled uniformly from the ``(2 * max_pixels + 1) ** 2`` possible ones by
    torch's global generator of the images' device. (The random transforms of ``torchvision.transforms.v2``
    draw once for a whole batch.)

    Args:
        max_pixels: the largest shift.
        padding_mode: what moves in at the border: "constant" for ``fill``, "edge" for the image's
            last row or column, repeated.
        fill: the value for "constant": 0 is black in uint8 images.

    Shape:
        - images: ``(N, C, H, W)``, any dtype
        - output: the same

    Raises:
        ValueError: if ``max_pixels`` is negative, ``padding_mode`` unknown, or a batch has another shape.
        TypeError: if ``max_pixels`` is no integer, or a batch no tensor.

    Example:
        >>> images = torch.ones(3, 1, 28, 28, dtype=torch.uint8)
        >>> shifted = RandomShift(2)(images)
        >>> shifted.shape, shifted.dtype
        (torch.Size([3, 1, 28, 28]), torch.uint8)

    Source: the pad-and-crop of He et al. (arXiv:1512.03385), section 4.2.
    """

    def __init__(self, max_pixels: int, *, padding_mode: PaddingMode = "constant", fill: float = 0.0) -> None:
        check_count(max_pixels=max_pixels, at_least=0)
        check_choice(get_args(PaddingMode), padding_mode=padding_mode)
        self.max_pixels = max_pixels
        self.padding_mode = padding_mode
        self.fill = fill

    def __call__(self, images: Tensor) -> Tensor:
        """Shift each image of a batch."""
        _check_batch(images)
        num_images, _, height, width = images.shape
        # every window of the padded image is one shift: (N, C, 2k + 1, 2k + 1, H, W), a view
        windows = self._pad(images).unfold(2, height, 1).unfold(3, width, 1)
        top, left = torch.randint(2 * self.max_pixels + 1, (2, num_images), device=images.device)
        return windows[torch.arange(num_images, device=images.device), :, top, left]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.max_pixels}, padding_mode={self.padding_mode!r}, fill={self.fill})"
        )

    def _pad(self, images: Tensor) -> Tensor:
        k = self.max_pixels
        padded = F.pad(images, (k, k, k, k), value=self.fill)
        if self.padding_mode == "edge" and k > 0:  # torch's own "replicate" knows no integers
            padded[..., :k, :] = padded[..., k : k + 1, :]
            padded[..., -k:, :] = padded[..., -k - 1 : -k, :]
            padded[..., :k] = padded[..., k : k + 1]
            padded[..., -k:] = padded[..., -k - 1 : -k]
        return padded


class RandomFlip:
    """Swaps left and right of each image of a batch, at random.

    Every image has its own chance, by torch's global generator of the images' device. Not for digits or
    letters, which it makes others of.

    Args:
        probability: how likely an image is flipped.

    Shape:
        - images: ``(N, C, H, W)``, any dtype
        - output: the same

    Raises:
        ValueError: if ``probability`` is outside (0, 1], or a batch has another shape.
        TypeError: if a batch is no tensor.

    Example:
        >>> RandomFlip(probability=1.0)(torch.tensor([[[[1, 2, 3]]]]))
        tensor([[[[3, 2, 1]]]])

    Source: He et al., arXiv:1512.03385, section 4.2.
    """

    def __init__(self, *, probability: float = 0.5) -> None:
        _check_probability(probability)
        self.probability = probability

    def __call__(self, images: Tensor) -> Tensor:
        """Flip some images of a batch."""
        _check_batch(images)
        flips = torch.rand(len(images), 1, 1, 1, device=images.device) < self.probability
        return torch.where(flips, images.flip(-1), images)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(probability={self.probability})"


def _check_probability(probability: float) -> None:
    if not 0 < probability <= 1:
        raise ValueError(f"probability must lie in (0, 1], got {probability}")


def _check_batch(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor, got {type(images).__name__}")
    if images.ndim != 4:
        raise ValueError(f"images must be a batch (N, C, H, W), got shape {tuple(images.shape)}")
