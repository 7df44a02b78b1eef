"""ResNet and what came of it, after He et al. (arXiv:1512.03385)."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from practicezoo.arguments import check_choice, check_count, check_counts
from practicezoo.blocks import SHORTCUTS, BottleneckBlock, ConvNormAct, ResidualBlock
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation, build_norm
from practicezoo.models.families.initialising import init_convolutions
from practicezoo.models.image import ImageClassifier
from practicezoo.models.registry import register_model
from practicezoo.models.torchvision import KeyMap

__all__ = ["ResNet"]

BlockFactory: TypeAlias = Callable[..., ResidualBlock | BottleneckBlock]


class ResNet(ImageClassifier):
    """ResNet: a stem, stages of residual blocks, and a linear head over the mean of all places.

    The defaults are ResNet-18. It is torchvision's, and so are "resnet34", "resnet50", "resnet101",
    "resnet152", "wide_resnet50_2" and "resnext50_32x4d" of :func:`~practicezoo.create_model`; "resnet20",
    "resnet32", "resnet44", "resnet56" and "resnet110" are the paper's for CIFAR's small images.

    Convolutions start from a normal distribution that keeps the variance of gradients (He et al., "fan_out"),
    norms as the identity, the head as ``nn.Linear`` does: torchvision's start.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        block: :class:`~practicezoo.ResidualBlock`, :class:`~practicezoo.BottleneckBlock`, or a
            ``functools.partial`` of one: ``partial(BottleneckBlock, reduction=2, groups=32)`` is ResNeXt's.
        depths: blocks of each stage.
        channels: channels that each stage makes; every stage but the first halves height and width.
        stem: "imagenet", a 7x7 convolution and 3x3 max pooling, both with stride 2; or "small", a 3x3
            convolution.
        stem_channels: channels that the stem makes.
        shortcut: the name of the blocks' shortcut, as in :class:`~practicezoo.ResidualBlock`.
        preactivation: norm and activation come before each convolution instead of after it. The stem's come
            before both paths of the first block; a norm and an activation follow the last one.
        zero_init: every block starts as its shortcut alone.
        norm: class of the normalisation; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``, floating point
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``channels`` are not as many as ``depths``, ``stem`` or ``shortcut``
            is unknown, channels are no multiples of the block's groups, or images have another shape.
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = ResNet(num_classes=10, depths=(1, 1), channels=(64, 128))
        >>> model(torch.randn(2, 3, 64, 96)).shape
        torch.Size([2, 10])
        >>> [(stage.name, stage.channels, stage.reduction) for stage in model.feature_info]
        [('features.stem', 64, 4), ('features.layer1', 64, 4), ('features.layer2', 128, 8)]

    Source: He et al., arXiv:1512.03385; ``preactivation``: arXiv:1603.05027; ``zero_init``: Goyal et al.,
    arXiv:1706.02677; ResNeXt: Xie et al., arXiv:1611.05431; wide: Zagoruyko and Komodakis, arXiv:1605.07146.
    """

    torchvision_keys: KeyMap | None = KeyMap(
        (
            (r"^features\.stem\.0", "residual.0"),  # it has the names of a block's first convolution
            (r"^features\.", ""),
            (r"residual\.0\.(conv|norm)", r"\g<1>1"),
            (r"residual\.1\.(conv|norm)", r"\g<1>2"),
            (r"residual\.2\.(conv|norm)", r"\g<1>3"),
            (r"norm(\d)", r"bn\1"),
            (r"shortcut\.projection\.conv", "downsample.0"),
            (r"shortcut\.projection\.norm", "downsample.1"),
            (r"^head", "fc"),
        )
    )

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        block: BlockFactory = ResidualBlock,
        depths: Sequence[int] = (2, 2, 2, 2),
        channels: Sequence[int] = (64, 128, 256, 512),
        stem: Literal["imagenet", "small"] = "imagenet",
        stem_channels: int = 64,
        shortcut: str = "auto",
        preactivation: bool = False,
        zero_init: bool = False,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, stem_channels=stem_channels)
        check_counts("depths", depths, filled=True)
        check_counts("channels", channels, length=len(depths))
        check_choice(STEMS, stem=stem)
        check_choice(SHORTCUTS, shortcut=shortcut)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        parts = {"norm": norm, "activation": activation, **factory}
        make_block = partial(block, shortcut=shortcut, preactivation=preactivation, **parts)
        features = OrderedDict[str, nn.Module](stem=STEMS[stem](in_channels, stem_channels, **parts))
        for stage, (ends, depth) in enumerate(zip(pairwise((stem_channels, *channels)), depths, strict=True)):
            features[f"layer{stage + 1}"] = _stage(make_block, *ends, depth, stride=2 if stage else 1)
        if preactivation:
            last_norm = build_norm(norm, channels[-1], **factory)
            features["last"] = nn.Sequential(last_norm, build_activation(activation, **factory))
        super().__init__(
            nn.Sequential(features),
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=None,
            **factory,
        )
        self.depths = tuple(depths)
        self.channels = tuple(channels)
        self.stem_channels = stem_channels
        self.preactivation = preactivation
        init_convolutions(self.features, mode="fan_out")
        blocks = [part for part in self.modules() if isinstance(part, ResidualBlock | BottleneckBlock)]
        if preactivation:
            self.torchvision_keys = None  # it has no such network
            del blocks[0].residual[:2]  # the stem's norm and activation come before both paths
        if zero_init:
            for part in blocks:
                part.zero_residual()


def _imagenet_stem(in_channels: int, out_channels: int, **parts: Any) -> nn.Sequential:
    conv = ConvNormAct(in_channels, out_channels, kernel_size=7, stride=2, **parts)
    return nn.Sequential(conv, nn.MaxPool2d(3, stride=2, padding=1))


def _small_stem(in_channels: int, out_channels: int, **parts: Any) -> nn.Sequential:
    return nn.Sequential(ConvNormAct(in_channels, out_channels, kernel_size=3, **parts))


def _stage(
    block: BlockFactory,
    in_channels: int,
    out_channels: int,
    depth: int,
    *,
    stride: int,
) -> nn.Sequential:
    first = block(in_channels, out_channels, stride=stride)
    return nn.Sequential(first, *(block(out_channels, out_channels) for _ in range(depth - 1)))


STEMS: dict[str, Callable[..., nn.Sequential]] = {"imagenet": _imagenet_stem, "small": _small_stem}

BOTTLENECK: dict[str, Any] = {"block": BottleneckBlock, "channels": (256, 512, 1024, 2048)}
WIDE = {**BOTTLENECK, "block": partial(BottleneckBlock, reduction=2)}
NEXT = {**BOTTLENECK, "block": partial(BottleneckBlock, reduction=2, groups=32)}
CIFAR: dict[str, Any] = {
    "num_classes": 10,
    "channels": (16, 32, 64),
    "stem": "small",
    "stem_channels": 16,
    "shortcut": "pad",  # option A
}
NAMED: dict[str, dict[str, Any]] = {
    "resnet18": {"depths": (2, 2, 2, 2)},
    "resnet34": {"depths": (3, 4, 6, 3)},
    "resnet50": {"depths": (3, 4, 6, 3), **BOTTLENECK},
    "resnet101": {"depths": (3, 4, 23, 3), **BOTTLENECK},
    "resnet152": {"depths": (3, 8, 36, 3), **BOTTLENECK},
    "wide_resnet50_2": {"depths": (3, 4, 6, 3), **WIDE},
    "resnext50_32x4d": {"depths": (3, 4, 6, 3), **NEXT},
    **{f"resnet{6 * depth + 2}": {"depths": (depth,) * 3, **CIFAR} for depth in (3, 5, 7, 9, 18)},
}
for _name, _numbers in NAMED.items():
    register_model(_name)(partial(ResNet, **_numbers))
