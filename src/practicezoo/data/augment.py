"""Augmentation of whole batches, each image by its own chance."""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from practicezoo.arguments import check_choice, check_count

__all__ = ["RandomShift"]

PaddingMode: TypeAlias = Literal["constant", "edge"]


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
        if not isinstance(images, Tensor):
            raise TypeError(f"images must be a tensor, got {type(images).__name__}")
        if images.ndim != 4:
            raise ValueError(f"images must be a batch (N, C, H, W), got shape {tuple(images.shape)}")
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
