"""Networks of Inception blocks."""

from collections.abc import Sequence

import torch
from torch import nn

from practicezoo.arguments import check_counts
from practicezoo.blocks import InceptionA
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.image import ImageClassifier, conv_pool

__all__ = ["InceptionNet"]


class InceptionNet(ImageClassifier):
    """Stages of convolution, pooling, activation and :class:`~practicezoo.InceptionA`; a linear head.

    The defaults are the course's network, 97,298 parameters.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        channels: channels of each stage's convolution; its Inception block makes 88 of them.
        kernel_size: side of the square kernels of those convolutions.
        image_size: height and width of the images.
        activation: class of the activation after pooling; ``None`` for none.
        block_activation: class of the activation inside the Inception blocks; the course has none.
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
        >>> model = InceptionNet()
        >>> model.forward_features(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 88, 4, 4])

    Source: the course's lecture on advanced CNNs.
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
        block_activation: ActivationFactory | None = None,
        norm: NormFactory | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_counts("channels", channels)
        stages = nn.Sequential()
        num_channels = in_channels
        for width in channels:
            stage = conv_pool(
                num_channels,
                width,
                kernel_size=kernel_size,
                norm=norm,
                activation=activation,
                device=device,
                dtype=dtype,
            )
            block = InceptionA(width, norm=norm, activation=block_activation, device=device, dtype=dtype)
            stages.append(nn.Sequential(stage | {"block": block}))
            num_channels = block.out_channels
        super().__init__(
            stages,
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=image_size,
            device=device,
            dtype=dtype,
        )
        self.channels = tuple(channels)
        self.kernel_size = kernel_size
