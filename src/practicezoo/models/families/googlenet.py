"""GoogLeNet, after Szegedy et al. (arXiv:1409.4842)."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from practicezoo.arguments import check_count, check_fraction
from practicezoo.blocks import ConvNormAct, InceptionV1
from practicezoo.blocks.branches import BATCH_NORM
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation
from practicezoo.models.families.auxiliary import AuxiliaryHead, InceptionClassifier
from practicezoo.models.families.initialising import init_convolutions
from practicezoo.models.families.width import Width
from practicezoo.models.registry import register_model
from practicezoo.models.torchvision import KeyMap

__all__ = ["GoogLeNet"]

# channels: 1x1; 1x1 and 3x3; 1x1 and 5x5; after pooling
BLOCKS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
BRANCHES = ("", "1x1", "3x3", "5x5", "_pool")  # torchvision numbers them
POOLS = {"inception4a": ("maxpool3", 3), "inception5a": ("maxpool4", 2)}  # before these blocks
AUXILIARY = ("inception4a", "inception4d")  # after these


@register_model("googlenet")
class GoogLeNet(InceptionClassifier):
    """Convolutions, nine :class:`~practicezoo.InceptionV1`, and a linear head over the mean of all places.

    The defaults equal torchvision's network, which has batch norms and, where the paper has 5x5 kernels, 3x3
    ones. ``kernel_size=5, norm=None`` is the paper's, but for its local response normalisation, and for the
    windows over which its auxiliary heads average.

    Convolutions start from a normal distribution that keeps the variance of features (He et al., "fan_in").

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        width: factor of all channels, for a smaller or a larger network.
        kernel_size: side of the kernel in each block's third branch: 3 as in torchvision, 5 as in the paper.
        auxiliary: whether there are the two auxiliary heads, after "inception4a" and "inception4d". In
            training mode the result is then an :class:`~practicezoo.models.AuxiliaryLogits`.
        transform_input: whether images come normalised with ImageNet's means and standard deviations and are
            renormalised to 0.5, as the weights need it that torchvision publishes. "torchvision:TAG" turns it
            on; for a file of these weights say it.
        dropout: dropout probability of what the head reads.
        auxiliary_dropout: the same in the auxiliary heads.
        norm: class of the normalisation; ``None`` for none; default: batch norm with ``eps=1e-3``.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``, floating point, H and W at least 15
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``width`` is not positive and finite, ``kernel_size`` is even, a
            dropout is outside [0, 1), ``transform_input`` comes with other than 3 channels, or images have
            another shape or are too small.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = GoogLeNet(num_classes=10, width=0.25, auxiliary=True)
        >>> outputs = model(torch.randn(2, 3, 64, 96))
        >>> outputs.logits.shape, len(outputs.auxiliary)
        (torch.Size([2, 10]), 2)
        >>> model.eval()(torch.randn(2, 3, 64, 96)).shape
        torch.Size([2, 10])

    Source: Szegedy et al., arXiv:1409.4842.
    """

    smallest_size = 15
    smallest_auxiliary_size = 15
    torchvision_keys: KeyMap | None = KeyMap(
        lines=(
            (r"^features\.", ""),
            (r"^head", "fc"),
            (r"^auxiliary_heads\.inception4a\.(?:layers\.)?", "aux1."),
            (r"^auxiliary_heads\.inception4d\.(?:layers\.)?", "aux2."),
            (r"^(aux\d)\.hidden", r"\1.fc1"),
            (r"^(aux\d)\.head", r"\1.fc2"),
            (r"\.branch(1x1|3x3|5x5|_pool)", lambda found: f".branch{BRANCHES.index(found[1])}"),
            (r"\.norm\.", ".bn."),
        ),
        spare=r"aux[12]\.",
        published={"transform_input": True},
    )

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        kernel_size: int = 3,
        auxiliary: bool = False,
        transform_input: bool = False,
        dropout: float = 0.2,
        auxiliary_dropout: float = 0.7,
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, num_classes=num_classes)
        check_fraction(auxiliary_dropout=auxiliary_dropout)
        scale = Width(width)
        parts = {"norm": norm, "activation": activation, "device": device, "dtype": dtype}
        features = _features(in_channels, scale, kernel_size, parts)
        heads = {
            name: _auxiliary_head(
                features[name].out_channels, num_classes, scale, dropout=auxiliary_dropout, parts=parts
            )
            for name in (AUXILIARY if auxiliary else ())
        }
        super().__init__(
            nn.Sequential(features),
            auxiliary_heads=heads,
            dropout=dropout,
            transform_input=transform_input,
            in_channels=in_channels,
            num_classes=num_classes,
            device=device,
            dtype=dtype,
        )
        self.width = width
        self.kernel_size = kernel_size
        self.auxiliary_dropout = auxiliary_dropout
        init_convolutions(self, mode="fan_in")
        if kernel_size != 3:
            self.torchvision_keys = None  # it has no such network


def _features(
    in_channels: int, width: Width, kernel_size: int, parts: dict[str, Any]
) -> OrderedDict[str, Any]:
    """The stages, named as in torchvision."""
    conv: Callable[..., ConvNormAct] = partial(ConvNormAct, **parts)
    pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
    first, channels = width.each(64, 192)
    features: OrderedDict[str, Any] = OrderedDict(
        conv1=conv(in_channels, first, kernel_size=7, stride=2),
        maxpool1=pool(3),
        conv2=conv(first, first, kernel_size=1),
        conv3=conv(first, channels, kernel_size=3),
        maxpool2=pool(3),
    )
    for name, numbers in BLOCKS.items():
        if name in POOLS:
            pool_name, side = POOLS[name]
            features[pool_name] = pool(side)
        branch1x1, before3x3, after3x3, before5x5, after5x5, pool_features = width.each(*numbers)
        features[name] = InceptionV1(
            channels,
            branch1x1=branch1x1,
            branch3x3=(before3x3, after3x3),
            branch5x5=(before5x5, after5x5),
            pool_features=pool_features,
            kernel_size=kernel_size,
            **parts,
        )
        channels = features[name].out_channels
    return features


def _auxiliary_head(
    in_channels: int, num_classes: int, width: Width, *, dropout: float, parts: dict[str, Any]
) -> AuxiliaryHead:
    """Mean over a grid of 4x4 places, a 1x1 convolution, two linear layers."""
    channels, hidden = width.each(128, 1024)
    linear = partial(nn.Linear, device=parts["device"], dtype=parts["dtype"])
    layers = OrderedDict(
        pool=nn.AdaptiveAvgPool2d(4),
        conv=ConvNormAct(in_channels, channels, 1, **parts),
        flatten=nn.Flatten(),
        hidden=linear(channels * 4 * 4, hidden),
        activation=build_activation(parts["activation"], device=parts["device"], dtype=parts["dtype"]),
        dropout=nn.Dropout(dropout),
    )
    return AuxiliaryHead(nn.Sequential(layers), linear(hidden, num_classes))
