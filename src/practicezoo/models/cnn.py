"""Plain convolutional networks."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from practicezoo.arguments import check_counts
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.image import ImageClassifier, conv_pool

__all__ = ["CNN"]


class CNN(ImageClassifier):
    """Stages of convolution (without padding), 2x2 max pooling and activation; then a linear head.

    The defaults are the course's network: 28 -> 24 -> 12 -> 8 -> 4 pixels, 8,490 parameters.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        channels: channels of each stage.
        kernel_size: side of the square kernels.
        image_size: height and width of the images.
        activation: class of the activation; ``None`` for none.
        norm: class of the normalisation after each convolution; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, image_size, image_size)``, floating point
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``image_size`` is too small, or images have another shape.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = CNN()
        >>> model(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
        >>> model.forward_features(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 20, 4, 4])

    Source: the course's lecture on CNNs.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        channels: Sequence[int] = (10, 20),
        kernel_size: int = 5,
        image_size: int = 28,
        activation: ActivationFactory | None = nn.ReLU,
        norm: NormFactory | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_counts("channels", channels)
        stages = (
            nn.Sequential(
                conv_pool(
                    *ends,
                    kernel_size=kernel_size,
                    norm=norm,
                    activation=activation,
                    device=device,
                    dtype=dtype,
                )
            )
            for ends in pairwise((in_channels, *channels))
        )
        super().__init__(
            nn.Sequential(*stages),
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=image_size,
            device=device,
            dtype=dtype,
        )
        self.channels = tuple(channels)
        self.kernel_size = kernel_size
