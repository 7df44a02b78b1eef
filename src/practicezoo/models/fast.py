"""A small network made to be trained in seconds."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from practicezoo.arguments import check_counts
from practicezoo.blocks import ConvNormAct
from practicezoo.models.image import ImageClassifier
from practicezoo.models.registry import register_model

__all__ = ["mnist_fast"]

BORDER = 2  # MNIST's digits stand in the middle 20 x 20 pixels


@register_model("mnist_fast")
def mnist_fast(
    in_channels: int = 1,
    num_classes: int = 10,
    *,
    channels: Sequence[int] = (16, 32, 96),
    image_size: int = 28,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> ImageClassifier:
    """Three convolutions without padding, each as small an image as it can be.

    The border of two pixels is cut off; pooling comes before normalisation and activation, which
    then have a quarter of the work; the head reads what is left, 2 x 2 pixels. 28 -> 24 -> 20 -> 10
    -> 8 -> 4 -> 2 pixels, 36,794 parameters.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        channels: channels of the three convolutions.
        image_size: height and width of the images.
        device: where the parameters live.
        dtype: type of the parameters.

    Raises:
        ValueError: if a size is below 1, ``channels`` are not three, or ``image_size`` is too small.

    Example:
        >>> mnist_fast()(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    check_counts("channels", channels, length=3)
    first, second, third = channels
    conv = partial(ConvNormAct, padding=0, bias=False, activation=None, device=device, dtype=dtype)
    norm = partial(nn.BatchNorm2d, device=device, dtype=dtype)
    features = nn.Sequential(
        nn.ZeroPad2d(-BORDER),
        *(conv(in_channels, first, kernel_size=5), nn.MaxPool2d(2), norm(first), nn.ReLU()),
        *(conv(first, second, kernel_size=3), nn.MaxPool2d(2), norm(second), nn.ReLU()),
        conv(second, third, kernel_size=3, norm=nn.BatchNorm2d, activation=nn.ReLU),
    )
    return ImageClassifier(
        features,
        in_channels=in_channels,
        num_classes=num_classes,
        image_size=image_size,
        device=device,
        dtype=dtype,
    )
