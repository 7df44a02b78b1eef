"""Networks of residual blocks."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from practicezoo.arguments import check_counts
from practicezoo.blocks import ResidualBlock
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.image import ImageClassifier, conv_pool

__all__ = ["ResidualNet", "lecture_stage", "notes_stage"]


def lecture_stage(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 5,
    shortcut: str | nn.Module = "auto",
    norm: NormFactory | None = None,
    activation: ActivationFactory | None = nn.ReLU,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Sequential:
    """Convolution without padding, 2x2 max pooling, activation, then a residual block.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the convolution and of the block.
        kernel_size: side of the convolution's square kernel.
        shortcut: the block's, as in :class:`~practicezoo.ResidualBlock`.
        norm: class of the normalisation after each convolution; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> lecture_stage(1, 16)(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 16, 12, 12])
    """
    stage = conv_pool(
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        norm=norm,
        activation=activation,
        device=device,
        dtype=dtype,
    )
    block = ResidualBlock(
        out_channels, shortcut=shortcut, norm=norm, activation=activation, device=device, dtype=dtype
    )
    return nn.Sequential(stage | {"block": block})


def notes_stage(
    in_channels: int,
    out_channels: int,
    *,
    shortcut: str | nn.Module = "conv3x3",
    norm: NormFactory | None = None,
    activation: ActivationFactory | None = nn.ReLU,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Sequential:
    """A residual block that changes the channels in its second convolution, then 2x2 max pooling.

    Args:
        in_channels: channels of the input and between the two convolutions.
        out_channels: channels of the block.
        shortcut: the block's, as in :class:`~practicezoo.ResidualBlock`.
        norm: class of the normalisation after each convolution; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> notes_stage(1, 10)(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10, 14, 14])
    """
    block = ResidualBlock(
        in_channels,
        out_channels,
        mid_channels=in_channels,
        shortcut=shortcut,
        norm=norm,
        activation=activation,
        device=device,
        dtype=dtype,
    )
    return nn.Sequential(block, nn.MaxPool2d(2))


class ResidualNet(ImageClassifier):
    """Stages with a :class:`~practicezoo.ResidualBlock` each, and a linear head.

    The defaults are the lecture's network, 41,514 parameters. With ``channels=(10, 20)`` and
    ``stage=notes_stage`` it is the notes' network, 14,570 parameters (``mnist_resnet_notes``).

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        channels: channels of each stage.
        image_size: height and width of the images.
        stage: makes a stage: called with its input and output channels, and ``norm``, ``activation``,
            ``device`` and ``dtype`` by keyword; ``functools.partial(lecture_stage, shortcut="scale")``
            sets the rest.
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
        >>> model = ResidualNet()
        >>> model.forward_features(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 32, 4, 4])

    Source: the course's lecture on advanced CNNs.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        channels: Sequence[int] = (16, 32),
        image_size: int = 28,
        stage: Callable[..., nn.Module] = lecture_stage,
        activation: ActivationFactory | None = nn.ReLU,
        norm: NormFactory | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_counts("channels", channels)
        stages = (
            stage(*ends, norm=norm, activation=activation, device=device, dtype=dtype)
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
