"""Channel attention, after Hu et al. (arXiv:1709.01507)."""

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.factories import ActivationFactory, build_activation

__all__ = ["SqueezeExcitation"]


class SqueezeExcitation(nn.Module):
    """Scales each channel by a factor between 0 and 1 that depends on the means of all channels.

    Equals torchvision's ``SqueezeExcitation``. It keeps the shape, so it can stand anywhere; at the end of a
    residual branch it makes the block of SENet: ``block.residual.append(SqueezeExcitation(64))``.

    Args:
        in_channels: channels of the input and of the output.
        mid_channels: channels between the two layers; default: a sixteenth of ``in_channels``, at least 1.
        activation: class of the activation between the two layers; ``None`` for none.
        gate: class of the activation that makes the factors, such as ``nn.Sigmoid`` or ``nn.Hardsigmoid``.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: the same

    Raises:
        ValueError: if a size is below 1 or an input has the wrong shape.
        TypeError: if ``activation`` or ``gate`` is an instance instead of a class.

    Example:
        >>> from practicezoo.blocks import ResidualBlock
        >>> block = ResidualBlock(32, norm=nn.BatchNorm2d)
        >>> _ = block.residual.append(SqueezeExcitation(32))
        >>> block(torch.randn(2, 32, 8, 8)).shape
        torch.Size([2, 32, 8, 8])

    Source: Hu et al., arXiv:1709.01507.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        mid_channels: int | None = None,
        activation: ActivationFactory | None = nn.ReLU,
        gate: ActivationFactory = nn.Sigmoid,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels)
        mid_channels = max(in_channels // 16, 1) if mid_channels is None else mid_channels
        check_count(mid_channels=mid_channels)
        self.in_channels = in_channels
        self.out_channels = in_channels
        self.mid_channels = mid_channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(in_channels, mid_channels, 1, device=device, dtype=dtype)
        self.activation = build_activation(activation, device=device, dtype=dtype)
        self.excite = nn.Conv2d(mid_channels, in_channels, 1, device=device, dtype=dtype)
        self.gate = build_activation(gate, device=device, dtype=dtype)

    def forward(self, features: Tensor) -> Tensor:
        """Scale the channels; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        squeezed = self.activation(self.squeeze(self.pool(features)))
        return self.gate(self.excite(squeezed)) * features
