"""Densely connected blocks, after Huang et al. (arXiv:1608.06993)."""

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count, check_fraction
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import (
    ActivationFactory,
    NormFactory,
    build_activation,
    build_norm,
)

__all__ = ["DenseBlock", "Transition"]


class DenseBlock(nn.Module):
    """Layers that each read everything before them and add ``growth_rate`` channels.

    A layer is norm, activation, 1x1 convolution to ``bottleneck * growth_rate`` channels, norm,
    activation, 3x3 convolution. The defaults equal torchvision's.

    Args:
        in_channels: channels of the input.
        growth_rate: channels that each layer adds.
        num_layers: layers.
        bottleneck: channels between a layer's convolutions, in growth rates.
        dropout: dropout probability of each layer's new channels' values.
        norm: class of the normalisation, called with the number of channels; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_channels: ``in_channels + num_layers * growth_rate``.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, H, W)``, the input's channels first

    Raises:
        ValueError: if a size is below 1, ``dropout`` is outside [0, 1), or an input has the wrong shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = DenseBlock(64, 32, 6)  # growth rate, layers
        >>> block(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 256, 8, 8])

    Source: Huang et al., arXiv:1608.06993 (DenseNet-B).
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int,
        num_layers: int,
        *,
        bottleneck: int = 4,
        dropout: float = 0.0,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(
            in_channels=in_channels, growth_rate=growth_rate, num_layers=num_layers, bottleneck=bottleneck
        )
        check_fraction(dropout=dropout)
        self.in_channels = in_channels
        self.growth_rate = growth_rate
        self.num_layers = num_layers
        self.bottleneck = bottleneck
        self.dropout = dropout
        self.out_channels = in_channels + num_layers * growth_rate
        self.layers = nn.ModuleList(
            nn.Sequential(
                build_norm(norm, num_channels, device=device, dtype=dtype),
                build_activation(activation, device=device, dtype=dtype),
                ConvNormAct(
                    num_channels,
                    bottleneck * growth_rate,
                    kernel_size=1,
                    norm=norm,
                    activation=activation,
                    device=device,
                    dtype=dtype,
                ),
                ConvNormAct(
                    bottleneck * growth_rate,
                    growth_rate,
                    kernel_size=3,
                    activation=None,
                    bias=norm is None,
                    device=device,
                    dtype=dtype,
                ),
                nn.Dropout(dropout),
            )
            for num_channels in range(in_channels, self.out_channels, growth_rate)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Append every layer's channels; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        for layer in self.layers:
            features = torch.cat([features, layer(features)], dim=1)
        return features


class Transition(nn.Sequential):
    """Between two dense blocks: norm, activation, 1x1 convolution, and 2x2 average pooling.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm: class of the normalisation, called with ``in_channels``; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, H // 2, W // 2)``

    Raises:
        ValueError: if a size is below 1 or an input has the wrong shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> Transition(256, 128)(torch.randn(2, 256, 8, 8)).shape
        torch.Size([2, 128, 4, 4])

    Source: Huang et al., arXiv:1608.06993.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels, out_channels=out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.norm = build_norm(norm, in_channels, device=device, dtype=dtype)
        self.activation = build_activation(activation, device=device, dtype=dtype)
        self.conv = ConvNormAct(
            in_channels,
            out_channels,
            kernel_size=1,
            activation=None,
            bias=norm is None,
            device=device,
            dtype=dtype,
        )
        self.pool = nn.AvgPool2d(2)

    def forward(self, features: Tensor) -> Tensor:
        """Mix the channels and halve the image; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        return super().forward(features)
