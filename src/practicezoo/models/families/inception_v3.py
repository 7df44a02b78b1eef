"""Inception v3, after Szegedy et al. (arXiv:1512.00567)."""

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from practicezoo.arguments import check_count
from practicezoo.blocks import ConvNormAct, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE
from practicezoo.blocks.branches import BATCH_NORM
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.models.families.auxiliary import AuxiliaryHead, InceptionClassifier
from practicezoo.models.families.initialising import init_convolutions
from practicezoo.models.families.width import Width
from practicezoo.models.registry import register_model
from practicezoo.models.torchvision import KeyMap

__all__ = ["InceptionV3"]

AUXILIARY = "mixed6e"  # the auxiliary head reads this block


def _numbered(found: re.Match[str]) -> str:
    """A convolution's place in its branch, as torchvision counts: from 1, with a letter where it splits."""
    letter = {"": "", "row.": "a", "column.": "b"}[found[2]]
    return f"_{int(found[1]) + 1}{letter}."


@register_model("inception_v3")
class InceptionV3(InceptionClassifier):
    """Convolutions, eleven Inception blocks of five kinds, and a linear head over the mean of all places.

    The defaults equal torchvision's network. The blocks are :class:`~practicezoo.InceptionA` in the widths of
    its ``v3``, :class:`~practicezoo.InceptionB`, :class:`~practicezoo.InceptionC`,
    :class:`~practicezoo.InceptionD` and :class:`~practicezoo.InceptionE`.

    Convolutions start from a normal distribution that keeps the variance of features (He et al., "fan_in").

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        width: factor of all channels, for a smaller or a larger network.
        auxiliary: whether there is an auxiliary head, after "mixed6e". In training mode the result is then an
            :class:`~practicezoo.models.AuxiliaryLogits`, and images must have at least 299 x 299 pixels.
        transform_input: whether images come normalised with ImageNet's means and standard deviations and are
            renormalised to 0.5, as the weights need it that torchvision publishes. "torchvision:TAG" turns it
            on; for a file of these weights say it.
        dropout: dropout probability of what the head reads.
        norm: class of the normalisation; ``None`` for none; default: batch norm with ``eps=1e-3``.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``, floating point, H and W at least 75
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``width`` is not positive and finite, ``dropout`` is outside [0, 1),
            ``transform_input`` comes with other than 3 channels, or images have another shape or are too
            small.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = InceptionV3(in_channels=1, num_classes=10, width=0.1)
        >>> model(torch.randn(2, 1, 75, 100)).shape
        torch.Size([2, 10])
        >>> [stage.name for stage in model.feature_info if stage.reduction == 32]
        ['features.mixed7a', 'features.mixed7b', 'features.mixed7c']

    Source: Szegedy et al., arXiv:1512.00567.
    """

    example_size = 75
    smallest_size = 75
    smallest_auxiliary_size = 299
    torchvision_keys = KeyMap(
        lines=(
            (r"^features\.conv3b", "Conv2d_3b_1x1"),
            (r"^features\.conv(\w+)", r"Conv2d_\1_3x3"),
            (r"^features\.mixed", "Mixed_"),
            (r"^auxiliary_heads\.mixed6e\.(?:layers\.)?", "AuxLogits."),
            (r"^(AuxLogits\.)?head", r"\1fc"),
            (r"\.branch_pool\.1", ".branch_pool"),
            (r"\.(\d)\.(row\.|column\.|)(?=conv|norm)", _numbered),
            (r"\.norm\.", ".bn."),
        ),
        spare=r"AuxLogits\.",
        published={"transform_input": True},
    )

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: float = 1.0,
        auxiliary: bool = False,
        transform_input: bool = False,
        dropout: float = 0.5,
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, num_classes=num_classes)
        scale = Width(width)
        parts = {"norm": norm, "activation": activation, "device": device, "dtype": dtype}
        features = _stem(in_channels, scale, parts)
        channels = features["conv4a"].out_channels
        for name, block in _blocks(scale, parts).items():
            features[name] = block(channels)
            channels = features[name].out_channels
        heads = {}
        if auxiliary:
            heads[AUXILIARY] = _auxiliary_head(features[AUXILIARY].out_channels, num_classes, scale, parts)
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
        init_convolutions(self, mode="fan_in")


def _stem(in_channels: int, width: Width, parts: dict[str, Any]) -> OrderedDict[str, Any]:
    """The convolutions before the blocks, named as in torchvision."""
    conv: Callable[..., ConvNormAct] = partial(ConvNormAct, **parts)
    first, second, third, last = width.each(32, 64, 80, 192)
    return OrderedDict(
        conv1a=conv(in_channels, first, kernel_size=3, stride=2, padding=0),
        conv2a=conv(first, first, kernel_size=3, padding=0),
        conv2b=conv(first, second, kernel_size=3),
        maxpool1=nn.MaxPool2d(3, stride=2),
        conv3b=conv(second, third, kernel_size=1),
        conv4a=conv(third, last, kernel_size=3, padding=0),
        maxpool2=nn.MaxPool2d(3, stride=2),
    )


def _blocks(width: Width, parts: dict[str, Any]) -> dict[str, partial[Any]]:
    """What makes each block from its number of input channels, in order."""
    a = partial(
        InceptionA,
        branch1x1=width(64),
        branch5x5=width.each(48, 64),
        branch3x3dbl=width.each(64, 96, 96),
        **parts,
    )
    e = partial(
        InceptionE,
        branch1x1=width(320),
        branch3x3=width.each(384, 384, 384),
        branch3x3dbl=width.each(448, 384, 384, 384),
        pool_features=width(192),
        **parts,
    )

    def c(inner: int) -> partial[Any]:
        return partial(
            InceptionC,
            branch1x1=width(192),
            branch7x7=width.each(inner, inner, 192),
            branch7x7dbl=width.each(inner, inner, inner, inner, 192),
            pool_features=width(192),
            **parts,
        )

    return {
        "mixed5b": partial(a, pool_features=width(32)),
        "mixed5c": partial(a, pool_features=width(64)),
        "mixed5d": partial(a, pool_features=width(64)),
        "mixed6a": partial(InceptionB, branch3x3=width(384), branch3x3dbl=width.each(64, 96, 96), **parts),
        "mixed6b": c(128),
        "mixed6c": c(160),
        "mixed6d": c(160),
        "mixed6e": c(192),
        "mixed7a": partial(
            InceptionD, branch3x3=width.each(192, 320), branch7x7x3=width.each(192, 192, 192, 192), **parts
        ),
        "mixed7b": e,
        "mixed7c": e,
    }


def _auxiliary_head(in_channels: int, num_classes: int, width: Width, parts: dict[str, Any]) -> AuxiliaryHead:
    """Average pooling, a 1x1 and a 5x5 convolution, the mean over what places are left."""
    first, second = width.each(128, 768)
    layers = OrderedDict(
        pool=nn.AvgPool2d(5, stride=3),
        conv0=ConvNormAct(in_channels, first, 1, **parts),
        conv1=ConvNormAct(first, second, 5, padding=0, **parts),
        mean=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
    )
    head = nn.Linear(second, num_classes, device=parts["device"], dtype=parts["dtype"])
    return AuxiliaryHead(nn.Sequential(layers), head)
