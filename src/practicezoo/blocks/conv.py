"""Convolution, normalisation and activation as one part."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.factories import (
    ActivationFactory,
    NormFactory,
    build_activation,
    build_norm,
)

__all__ = ["ConvNormAct", "Padding", "Size"]

Size: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = Size | Literal["same-size"]


class ConvNormAct(nn.Sequential):
    """A 2-D convolution, then a norm, then an activation: ``conv``, ``norm``, ``activation``.

    By default there is no norm, and the activation is ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the square kernel, or its height and width.
        stride: step of the kernel.
        padding: zeros around the image, or above and beside it; "same-size" keeps height and width at stride
            1 (odd kernels).
        groups: number of groups of channels that are convolved separately.
        norm: class of the normalisation, called with ``out_channels``; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        bias: whether the convolution adds a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, H', W')``, where ``H' = (H + 2 padding - kernel_size) // stride + 1``

    Raises:
        ValueError: if a size is below 1, ``padding`` is neither "same-size" nor at least 0, "same-size"
            comes with an even kernel, channels are no multiples of ``groups``, or an input has the wrong
            shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> conv = ConvNormAct(3, 16, 5, norm=nn.BatchNorm2d)
        >>> conv(torch.randn(2, 3, 12, 12)).shape
        torch.Size([2, 16, 12, 12])

    Source: Ioffe and Szegedy, arXiv:1502.03167 (norm between convolution and activation).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        *,
        stride: int = 1,
        padding: Padding = "same-size",
        groups: int = 1,
        norm: NormFactory | None = None,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, out_channels=out_channels, stride=stride, groups=groups)
        if isinstance(kernel_size, Sequence):
            check_counts("kernel_size", kernel_size, length=2)
        else:
            check_count(kernel_size=kernel_size)
        for argument, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{argument} must be a multiple of groups={groups}, got {channels}")
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.groups = groups
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=_zeros_around(kernel_size, padding),
            groups=groups,
            bias=norm is None if bias is None else bias,
            device=device,
            dtype=dtype,
        )
        self.norm = build_norm(norm, out_channels, device=device, dtype=dtype)
        self.activation = build_activation(activation, device=device, dtype=dtype)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve, normalise, activate; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        return self.activation(self.norm(self.conv(features)))


def _zeros_around(kernel_size: Size, padding: Padding) -> Size:
    if padding == "same-size":
        sides = kernel_size if isinstance(kernel_size, Sequence) else (kernel_size,)
        if any(side % 2 == 0 for side in sides):
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        return (sides[0] // 2, sides[-1] // 2)
    zeros = padding if isinstance(padding, Sequence) and len(padding) == 2 else (padding,)
    if not all(isinstance(number, int) and number >= 0 for number in zeros):
        raise ValueError(f'padding must be "same-size" or one or two integers of at least 0, got {padding!r}')
    return padding
