"""The shortcuts that :class:`~practicezoo.ResidualBlock` knows by name."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import NormFactory
from practicezoo.blocks.gates import ExclusiveGate, ShortcutGate
from practicezoo.blocks.shortcuts import PadChannels, Scale, Shortcut

__all__ = ["SHORTCUTS", "ShortcutSpec", "build_shortcut"]


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
