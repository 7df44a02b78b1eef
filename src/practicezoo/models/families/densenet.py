"""DenseNet, after Huang et al. (arXiv:1608.06993)."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks import ConvNormAct, DenseBlock, Transition
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation, build_norm
from practicezoo.models.families.initialising import init_convolutions
from practicezoo.models.image import ImageClassifier
from practicezoo.models.registry import register_model
from practicezoo.models.torchvision import KeyMap

__all__ = ["DenseNet"]


class DenseNet(ImageClassifier):
    """DenseNet: a stem, dense blocks with transitions between them, a linear head over all places' mean.

    The defaults are DenseNet-121. It is torchvision's, and so are "densenet161", "densenet169" and
    "densenet201" of :func:`~practicezoo.create_model`. Each transition halves the channels, height and width.

    Convolutions start from a normal distribution that keeps the variance of what they read (He et al.,
    "fan_in"), norms as the identity, the head as ``nn.Linear`` does but with zeros for its bias:
    torchvision's start.

    Args:
        in_channels: channels of the images.
        num_classes: classes.
        growth_rate: channels that each layer adds.
        depths: layers of each dense block.
        stem_channels: channels of the stem, a 7x7 convolution and 3x3 max pooling, both with stride 2.
        bottleneck: channels between a layer's convolutions, in growth rates.
        dropout: dropout probability of each layer's new channels' values.
        norm: class of the normalisation; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``, floating point
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``dropout`` is outside [0, 1), or images have another shape or are
            too small for the strides (29 x 29 pixels are the least for four blocks).
        TypeError: if the input is not a floating-point tensor.

    Example:
        >>> model = DenseNet(num_classes=10, growth_rate=8, depths=(2, 2), stem_channels=16)
        >>> model(torch.randn(2, 3, 64, 96)).shape
        torch.Size([2, 10])
        >>> [stage.channels for stage in model.feature_info]
        [16, 32, 16, 32, 32]

    Source: Huang et al., arXiv:1608.06993 (DenseNet-BC).
    """

    torchvision_keys = KeyMap(
        lines=(
            (r"stem\.0\.(conv|norm)", r"\g<1>0"),
            (
                r"dense(\d)\.layers\.(\d+)",
                lambda found: f"denseblock{found[1]}.denselayer{int(found[2]) + 1}",
            ),
            (r"(layer\d+)\.0", r"\1.norm1"),
            (r"(layer\d+)\.2\.conv", r"\1.conv1"),
            (r"(layer\d+)\.2\.norm", r"\1.norm2"),
            (r"(layer\d+)\.3\.conv", r"\1.conv2"),
            (r"(transition\d)\.conv\.conv", r"\1.conv"),
            (r"last\.0", "norm5"),
            (r"^head", "classifier"),
        ),
        older=((r"(layer\d+\.(?:norm|conv))\.(\d)", r"\1\2"),),
    )

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        growth_rate: int = 32,
        depths: Sequence[int] = (6, 12, 24, 16),
        stem_channels: int = 64,
        bottleneck: int = 4,
        dropout: float = 0.0,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, growth_rate=growth_rate, stem_channels=stem_channels)
        check_counts("depths", depths, filled=True)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        parts = {"norm": norm, "activation": activation, **factory}
        dense_parts = {"growth_rate": growth_rate, "bottleneck": bottleneck, "dropout": dropout, **parts}
        conv = ConvNormAct(in_channels, stem_channels, kernel_size=7, stride=2, **parts)
        stem = nn.Sequential(conv, nn.MaxPool2d(3, stride=2, padding=1))
        features = OrderedDict[str, nn.Module](stem=stem)
        channels = stem_channels
        for number, depth in enumerate(depths, start=1):
            features[f"dense{number}"] = dense = DenseBlock(channels, num_layers=depth, **dense_parts)
            channels = dense.out_channels
            if number < len(depths):
                features[f"transition{number}"] = Transition(channels, channels // 2, **parts)
                channels //= 2
        last_norm = build_norm(norm, channels, **factory)
        features["last"] = nn.Sequential(last_norm, build_activation(activation, **factory))
        super().__init__(
            nn.Sequential(features),
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=None,
            **factory,
        )
        self.growth_rate = growth_rate
        self.depths = tuple(depths)
        self.stem_channels = stem_channels
        # the stem rounds up, a transition down: each needs two places
        self.smallest_size = 4 * 2 ** (len(depths) - 1) - 3
        init_convolutions(self.features, mode="fan_in")
        nn.init.zeros_(self.head.bias)


NAMED: dict[str, dict[str, Any]] = {
    "densenet121": {},
    "densenet161": {"growth_rate": 48, "depths": (6, 12, 36, 24), "stem_channels": 96},
    "densenet169": {"depths": (6, 12, 32, 32)},
    "densenet201": {"depths": (6, 12, 48, 32)},
}
for _name, _numbers in NAMED.items():
    register_model(_name)(partial(DenseNet, **_numbers))
