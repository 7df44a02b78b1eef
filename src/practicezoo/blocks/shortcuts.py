"""Ways past a residual branch and back into it, after He et al. 2016 (arXiv:1603.05027).

A shortcut joins the input ``x`` of a block with the result ``F(x)`` of its residual branch:
``shortcut(x, F(x))``. :class:`Shortcut` adds them; the others weigh them first. ``SHORTCUTS`` holds the
named ones that :class:`~practicezoo.ResidualBlock` knows.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from practicezoo.blocks._build import NormFactory, check_feature_map, check_positive
from practicezoo.blocks.conv import ConvNormAct

__all__ = [
    "SHORTCUTS",
    "ExclusiveGate",
    "PadChannels",
    "Scale",
    "Shortcut",
    "ShortcutGate",
    "ShortcutSpec",
    "build_shortcut",
]


class Shortcut(nn.Module):
    """Adds the projected input to the residual: ``projection(x) + residual``.

    Args:
        projection: module that gives ``x`` the shape of the residual; default: the identity.

    Shape:
        - input: ``x`` ``(N, C, H, W)`` and ``residual`` ``(N, C', H', W')``
        - output: the shape of ``residual``

    Raises:
        ValueError: if the projection's shape is not the residual's (nothing is broadcast; so with the gates
            of :class:`ShortcutGate` and :class:`ExclusiveGate`).

    Example:
        >>> shortcut = Shortcut()
        >>> shortcut(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3)).unique()
        tensor([2.])
    """

    def __init__(self, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.projection = nn.Identity() if projection is None else projection

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join the input of a block with the result of its residual branch."""
        return self.project(x, residual) + residual

    def project(self, x: Tensor, residual: Tensor) -> Tensor:
        """``projection(x)``, which must have the residual's shape."""
        return _of_shape(residual, "shortcut", self.projection(x))


class Scale(Shortcut):
    """Constant scaling: ``shortcut * projection(x) + residual * F(x)``; (1, 1) is plain addition.

    Args:
        projection: as in :class:`Shortcut`.
        shortcut: factor of the input.
        residual: factor of the residual.

    Example:
        >>> Scale(shortcut=0.5, residual=0.25)(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1)).item()
        0.75

    Source: He et al., arXiv:1603.05027, section 3.1.
    """

    def __init__(
        self, projection: nn.Module | None = None, *, shortcut: float = 0.5, residual: float = 0.5
    ) -> None:
        super().__init__(projection)
        self.shortcut = shortcut
        self.residual = residual

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join the input of a block with the result of its residual branch."""
        return self.shortcut * self.project(x, residual) + self.residual * residual

    def extra_repr(self) -> str:
        """The two factors."""
        return f"shortcut={self.shortcut}, residual={self.residual}"


class ShortcutGate(Shortcut):
    """Shortcut-only gating: ``(1 - g) * projection(x) + F(x)`` with ``g = sigmoid(gate(x))``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the residual; default: those of the input.
        stride: stride of the residual branch.
        initial_bias: the gate's bias at the start; a negative one starts near the plain shortcut
            (-6 is the paper's best).
        projection: as in :class:`Shortcut`.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> gate = ShortcutGate(4, initial_bias=-50.0)  # shut: the plain shortcut
        >>> x, residual = torch.randn(2, 1, 4, 3, 3)
        >>> torch.equal(gate(x, residual), x + residual)
        True

    Source: He et al., arXiv:1603.05027, section 3.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        stride: int = 1,
        initial_bias: float = -6.0,
        projection: nn.Module | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(projection)
        out_channels = in_channels if out_channels is None else out_channels
        check_positive(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.initial_bias = initial_bias
        self.gate = nn.Conv2d(in_channels, out_channels, 1, stride=stride, device=device, dtype=dtype)
        self.reset_parameters()

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join the input of a block with the result of its residual branch."""
        gate = _of_shape(residual, "gate", self.open(x))
        return (1 - gate) * self.project(x, residual) + residual

    def open(self, x: Tensor) -> Tensor:
        """How far the gate opens at each place of the residual: ``sigmoid(gate(x))``."""
        check_feature_map(self, x, self.in_channels)
        return torch.sigmoid(self.gate(x))

    def reset_parameters(self) -> None:
        """Draw new weights of the gate and set its bias to ``initial_bias``."""
        self.gate.reset_parameters()
        nn.init.constant_(self.gate.bias, self.initial_bias)  # type: ignore[arg-type]  # it has a bias


class ExclusiveGate(ShortcutGate):
    """Exclusive gating, as in highway networks: ``(1 - g) * projection(x) + g * F(x)``.

    ``g = sigmoid(gate(x))``; what the gate gives to one path it takes from the other.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the residual; default: those of the input.
        stride: stride of the residual branch.
        initial_bias: the gate's bias at the start; a negative one starts near the plain shortcut.
        projection: as in :class:`Shortcut`.
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> gate = ExclusiveGate(4, initial_bias=50.0)  # open: the residual alone
        >>> x, residual = torch.randn(2, 1, 4, 3, 3)
        >>> torch.equal(gate(x, residual), residual)
        True

    Source: He et al., arXiv:1603.05027, section 3.1; Srivastava et al., arXiv:1505.00387.
    """

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join the input of a block with the result of its residual branch."""
        gate = _of_shape(residual, "gate", self.open(x))
        return (1 - gate) * self.project(x, residual) + gate * residual


def _of_shape(residual: Tensor, part: str, output: Tensor) -> Tensor:
    """``output``, which must have the residual's shape."""
    if output.shape != residual.shape:
        raise ValueError(
            f"{part} must give the residual's shape {tuple(residual.shape)}, got {tuple(output.shape)}"
        )
    return output


class PadChannels(nn.Module):
    """Changes a shape without parameters: every ``stride``-th pixel, channels of zeros at the end.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, at least as many.
        stride: step between the pixels that stay.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, ceil(H / stride), ceil(W / stride))``

    Raises:
        ValueError: if a size is below 1, ``out_channels`` is below ``in_channels``, or an input has the
            wrong shape.

    Example:
        >>> PadChannels(1, 3, stride=2)(torch.ones(1, 1, 5, 5)).sum(dim=(-2, -1))
        tensor([[9., 0., 0.]])

    Source: He et al., arXiv:1512.03385, section 3.3, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        check_positive(in_channels=in_channels, stride=stride)
        if out_channels < in_channels:
            raise ValueError(
                f"out_channels must be at least in_channels={in_channels} to pad, got {out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Drop pixels and add channels; see the class for shapes."""
        check_feature_map(self, features, self.in_channels)
        kept = features[..., :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.out_channels - self.in_channels))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"


class ShortcutSpec(NamedTuple):
    """What a shortcut must bridge: the block's two ends, and how its convolutions are made.

    What a maker in ``SHORTCUTS`` is called with.

    Attributes:
        in_channels: channels of the block's input.
        out_channels: channels of the block's output.
        stride: step of the residual branch.
        norm: class of the normalisation after a convolution; ``None`` for none.
        bias: whether a convolution adds a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> ShortcutSpec(4, 8, stride=2).pad()
        PadChannels(4, 8, stride=2)
    """

    in_channels: int
    out_channels: int
    stride: int = 1
    norm: NormFactory | None = None
    bias: bool | None = None
    device: torch.device | str | None = None
    dtype: torch.dtype | None = None

    @property
    def keeps_shape(self) -> bool:
        """Whether the block's output has the shape of its input."""
        return self.in_channels == self.out_channels and self.stride == 1

    def identity(self) -> nn.Module:
        """The identity, where shapes agree."""
        if not self.keeps_shape:
            raise ValueError(
                'shortcut "identity" needs equal channels and stride 1, got '
                f"in_channels={self.in_channels}, out_channels={self.out_channels}, stride={self.stride}"
            )
        return nn.Identity()

    def conv(self, kernel_size: int) -> nn.Module:
        """A convolution from the one shape to the other."""
        return ConvNormAct(
            self.in_channels,
            self.out_channels,
            kernel_size=kernel_size,
            stride=self.stride,
            norm=self.norm,
            bias=self.bias,
            device=self.device,
            dtype=self.dtype,
        )

    def pad(self) -> nn.Module:
        """Dropped pixels and channels of zeros."""
        return PadChannels(self.in_channels, self.out_channels, stride=self.stride)

    def auto(self) -> nn.Module:
        """The identity where shapes agree, else a 1x1 convolution."""
        return self.identity() if self.keeps_shape else self.conv(1)

    def gate(self, kind: type[ShortcutGate]) -> ShortcutGate:
        """A gate of that kind over :meth:`auto`."""
        return kind(
            self.in_channels,
            self.out_channels,
            stride=self.stride,
            projection=self.auto(),
            device=self.device,
            dtype=self.dtype,
        )


SHORTCUTS: dict[str, Callable[[ShortcutSpec], Shortcut]] = {
    "auto": lambda spec: Shortcut(spec.auto()),
    "identity": lambda spec: Shortcut(spec.identity()),
    "conv1x1": lambda spec: Shortcut(spec.conv(1)),
    "conv3x3": lambda spec: Shortcut(spec.conv(3)),
    "pad": lambda spec: Shortcut(spec.pad()),
    "scale": lambda spec: Scale(spec.auto()),
    "exclusive_gate": lambda spec: spec.gate(ExclusiveGate),
    "shortcut_gate": lambda spec: spec.gate(ShortcutGate),
    "dropout": lambda spec: Shortcut(nn.Sequential(spec.auto(), nn.Dropout(0.5))),
}


def build_shortcut(shortcut: str | nn.Module, spec: ShortcutSpec) -> Shortcut:
    """The shortcut of that name, or the user's own module.

    Args:
        shortcut: a key of ``SHORTCUTS``, a :class:`Shortcut`, or any other module, whose output is then
            added to the residual.
        spec: what it must bridge.

    Raises:
        ValueError: if the name is unknown or cannot bridge these shapes.
        TypeError: if ``shortcut`` is neither a name nor a module.
    """
    if isinstance(shortcut, Shortcut):
        return shortcut
    if isinstance(shortcut, nn.Module):
        return Shortcut(shortcut)
    if not isinstance(shortcut, str):
        raise TypeError(f"shortcut must be a name or an nn.Module, got {shortcut!r}")
    if shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}, or an nn.Module, got {shortcut!r}")
    return SHORTCUTS[shortcut](spec)
