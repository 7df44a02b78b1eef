"""Residual blocks, after He et al. (arXiv:1512.03385 and arXiv:1603.05027)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import (
    ActivationFactory,
    NormFactory,
    build_activation,
    build_norm,
)
from practicezoo.blocks.shortcut_registry import ShortcutSpec, build_shortcut

__all__ = ["BottleneckBlock", "ResidualBlock"]


class _Residual(nn.Module):
    """A chain of convolutions, ``residual``, a ``shortcut`` past it, and an activation after their sum."""

    def __init__(
        self,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        *,
        strided: int,
        stride: int,
        groups: int,
        shortcut: str | nn.Module,
        norm: NormFactory | None,
        activation: ActivationFactory | None,
        preactivation: bool,
        zero_init: bool,
        bias: bool | None,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = widths[0], widths[-1]
        self.stride = stride
        self.preactivation = preactivation
        bias = norm is None if bias is None else bias
        last_norm = None if preactivation else norm
        last = len(kernel_sizes) - 1
        self.residual = nn.Sequential(
            *(
                ConvNormAct(
                    *ends,
                    kernel_size,
                    stride=stride if number == strided else 1,
                    groups=groups if number == strided else 1,
                    norm=last_norm if number == last else norm,
                    activation=None if number == last else activation,
                    bias=bias,
                    device=device,
                    dtype=dtype,
                )
                for number, (ends, kernel_size) in enumerate(zip(pairwise(widths), kernel_sizes, strict=True))
            )
        )
        if preactivation:
            self.residual.insert(0, build_activation(activation, device=device, dtype=dtype))
            self.residual.insert(0, build_norm(norm, self.in_channels, device=device, dtype=dtype))
        self.shortcut = build_shortcut(
            shortcut,
            ShortcutSpec(self.in_channels, self.out_channels, stride, last_norm, bias, device, dtype),
        )
        last_activation = None if preactivation else activation
        self.activation = build_activation(last_activation, device=device, dtype=dtype)
        if zero_init:
            self.zero_residual()

    def forward(self, features: Tensor) -> Tensor:
        """Add the shortcut to the residual; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        return self.activation(self.shortcut(features, self.residual(features)))

    def zero_residual(self) -> None:
        """Make ``F(x) = 0``, as ``zero_init`` starts."""
        last = next(
            module
            for module in reversed(list(self.residual.modules()))
            if getattr(module, "weight", None) is not None
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)


class ResidualBlock(_Residual):
    """Two convolutions and a shortcut past them: ``activation(x + F(x))``.

    ``residual`` is the branch ``F``, ``shortcut`` joins it with the input. The defaults are the course's
    block; with ``norm=nn.BatchNorm2d`` it equals torchvision's ``BasicBlock``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; default: those of the input.
        mid_channels: channels between the two convolutions; default: ``out_channels``.
        kernel_size: side of both square kernels, odd.
        stride: step of the first convolution.
        shortcut: a name (see below), a :class:`~practicezoo.blocks.Shortcut` with settings of its own, or
            any module, whose output is added to the residual. Its convolutions are normalised with
            ``norm``, unless ``preactivation``.
        norm: class of the normalisation, called with the number of channels; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        preactivation: norm and activation come before each convolution, and none after the sum:
            ``x + F(activation(norm(x)))``; the shortcut starts from ``x`` itself.
        zero_init: start with ``F(x) = 0``: the last norm's weight, or without a norm there the last
            convolution, is zero.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Shortcuts by name:

    - "auto": the identity where input and output have the same shape, else "conv1x1"; the last four start
      from it
    - "identity": the input itself
    - "conv1x1", "conv3x3": a convolution
    - "pad": every ``stride``-th pixel, and channels of zeros; no parameters
    - "scale": half the input plus half the residual, as :class:`~practicezoo.blocks.Scale`
    - "exclusive_gate", "shortcut_gate": :class:`~practicezoo.blocks.ExclusiveGate` and
      :class:`~practicezoo.blocks.ShortcutGate`
    - "dropout": dropout of the input with probability 0.5

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, ceil(H / stride), ceil(W / stride))``

    Raises:
        ValueError: if a size is below 1, ``kernel_size`` is even, ``shortcut`` is unknown or cannot bridge
            the shapes, or an input has the wrong shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class, or ``shortcut`` is
            neither a name nor a module.

    Example:
        >>> block = ResidualBlock(16, 32, stride=2, norm=nn.BatchNorm2d)
        >>> block(torch.randn(2, 16, 12, 12)).shape
        torch.Size([2, 32, 6, 6])

    Source: He et al., arXiv:1512.03385; pre-activation and shortcuts: arXiv:1603.05027.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        mid_channels: int | None = None,
        kernel_size: int = 3,
        stride: int = 1,
        shortcut: str | nn.Module = "auto",
        norm: NormFactory | None = None,
        activation: ActivationFactory | None = nn.ReLU,
        preactivation: bool = False,
        zero_init: bool = False,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        out_channels = in_channels if out_channels is None else out_channels
        mid_channels = out_channels if mid_channels is None else mid_channels
        check_count(in_channels=in_channels, out_channels=out_channels, mid_channels=mid_channels)
        super().__init__(
            (in_channels, mid_channels, out_channels),
            (kernel_size, kernel_size),
            strided=0,
            stride=stride,
            groups=1,
            shortcut=shortcut,
            norm=norm,
            activation=activation,
            preactivation=preactivation,
            zero_init=zero_init,
            bias=bias,
            device=device,
            dtype=dtype,
        )
        self.mid_channels = mid_channels
        self.kernel_size = kernel_size


class BottleneckBlock(_Residual):
    """A 1x1, a 3x3 and a 1x1 convolution, the first to fewer channels, and a shortcut past them.

    With ``norm=nn.BatchNorm2d`` it equals torchvision's ``Bottleneck``: the stride is in the 3x3 convolution
    ("ResNet v1.5"), and ``groups`` make it ResNeXt's block.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; default: those of the input.
        mid_channels: channels of the 3x3 convolution; default: ``out_channels // reduction``, at least 1.
        reduction: how many times fewer these are by default.
        stride: step of the 3x3 convolution.
        groups: groups of channels that the 3x3 convolution convolves separately.
        shortcut: as in :class:`~practicezoo.ResidualBlock`, as are all that follow.
        norm: class of the normalisation; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        preactivation: norm and activation come before each convolution, and none after the sum.
        zero_init: start with ``F(x) = 0``.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, ceil(H / stride), ceil(W / stride))``

    Raises:
        ValueError: if a size is below 1, ``mid_channels`` is no multiple of ``groups``, ``shortcut`` is
            unknown or cannot bridge the shapes, or an input has the wrong shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class, or ``shortcut`` is
            neither a name nor a module.

    Example:
        >>> block = BottleneckBlock(64, 256, norm=nn.BatchNorm2d)
        >>> block(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 256, 8, 8])
        >>> sum(parameter.numel() for parameter in block.residual.parameters())
        58112

    Source: He et al., arXiv:1512.03385, section 4.1; ``groups``: Xie et al., arXiv:1611.05431.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        mid_channels: int | None = None,
        reduction: int = 4,
        stride: int = 1,
        groups: int = 1,
        shortcut: str | nn.Module = "auto",
        norm: NormFactory | None = None,
        activation: ActivationFactory | None = nn.ReLU,
        preactivation: bool = False,
        zero_init: bool = False,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        out_channels = in_channels if out_channels is None else out_channels
        check_count(in_channels=in_channels, out_channels=out_channels, reduction=reduction)
        mid_channels = max(out_channels // reduction, 1) if mid_channels is None else mid_channels
        check_count(mid_channels=mid_channels, groups=groups)
        if mid_channels % groups:
            raise ValueError(f"mid_channels must be a multiple of groups={groups}, got {mid_channels}")
        super().__init__(
            (in_channels, mid_channels, mid_channels, out_channels),
            (1, 3, 1),
            strided=1,
            stride=stride,
            groups=groups,
            shortcut=shortcut,
            norm=norm,
            activation=activation,
            preactivation=preactivation,
            zero_init=zero_init,
            bias=bias,
            device=device,
            dtype=dtype,
        )
        self.mid_channels = mid_channels
        self.groups = groups
