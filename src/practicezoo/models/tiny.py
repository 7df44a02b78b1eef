"""A network for digits as small as it can be."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from practicezoo.arguments import check_counts
from practicezoo.blocks import ConvNormAct
from practicezoo.models.image import ImageClassifier
from practicezoo.models.registry import register_model

__all__ = ["mnist_tiny"]


@register_model("mnist_tiny")
def mnist_tiny(
    in_channels: int = 1,
    num_classes: int = 10,
    *,
    channels: Sequence[int] = (8, 16, 20),
    image_size: int = 28,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> ImageClassifier:
    """Four convolutions with batch norm, two poolings, and the mean over what is left, 6,866 parameters.

    A head over the mean of each channel has as many weights as there are channels, whatever the image's size;
    so most parameters are in the convolutions. 28 -> 24 -> 12 -> 6 -> 1 pixels.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        channels: channels before the first pooling, between the two, and of the head's input.
        image_size: height and width of the images.
        device: where the parameters live.
        dtype: type of the parameters.

    Raises:
        ValueError: if a size is below 1, ``channels`` are not three, or ``image_size`` is too small.

    Example:
        >>> mnist_tiny()(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])

    Source: the global average pooling of Lin, Chen and Yan (arXiv:1312.4400).
    """
    check_counts("channels", channels, length=3)
    first, second, third = channels
    conv = partial(ConvNormAct, norm=nn.BatchNorm2d, device=device, dtype=dtype)
    features = nn.Sequential(
        conv(in_channels, first, 5, padding=0),
        nn.MaxPool2d(2),
        conv(first, second, 3),
        conv(second, second, 3),
        nn.MaxPool2d(2),
        conv(second, third, 3),
        nn.AdaptiveAvgPool2d(1),
    )
    return ImageClassifier(
        features,
        in_channels=in_channels,
        num_classes=num_classes,
        image_size=image_size,
        device=device,
        dtype=dtype,
    )
