"""Shortcuts by name, for :class:`~practicezoo.ResidualBlock`."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import NormFactory
from practicezoo.blocks.gates import ExclusiveGate, ShortcutGate
from practicezoo.blocks.shortcuts import PadChannels, Scale, Shortcut

__all__ = ["SHORTCUTS", "ShortcutSpec", "build_shortcut"]


class ShortcutSpec(NamedTuple):
    """The shapes that a shortcut must bridge, and how to make its convolutions.

    Each function in ``SHORTCUTS`` is called with one of these.

    Attributes:
        in_channels: channels of the block's input.
        out_channels: channels of the block's output.
        stride: stride of the residual branch.
        norm: class of the normalisation after a convolution; ``None`` for none.
        bias: whether a convolution adds a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Example:
        >>> SHORTCUTS["pad"](ShortcutSpec(4, 8, stride=2)).projection
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


def _auto(spec: ShortcutSpec) -> Shortcut:
    return _identity(spec) if spec.keeps_shape else _conv(spec, kernel_size=1)


def _identity(spec: ShortcutSpec) -> Shortcut:
    if not spec.keeps_shape:
        raise ValueError(
            'shortcut "identity" needs equal channels and stride 1, got '
            f"in_channels={spec.in_channels}, out_channels={spec.out_channels}, stride={spec.stride}"
        )
    return Shortcut()


def _conv(spec: ShortcutSpec, *, kernel_size: int) -> Shortcut:
    conv = ConvNormAct(
        spec.in_channels,
        spec.out_channels,
        kernel_size=kernel_size,
        stride=spec.stride,
        norm=spec.norm,
        activation=None,
        bias=spec.bias,
        device=spec.device,
        dtype=spec.dtype,
    )
    return Shortcut(conv)


def _pad(spec: ShortcutSpec) -> Shortcut:
    return Shortcut(PadChannels(spec.in_channels, spec.out_channels, stride=spec.stride))


def _scale(spec: ShortcutSpec) -> Shortcut:
    return Scale(_auto(spec).projection)


def _gate(spec: ShortcutSpec, *, gate: type[ShortcutGate]) -> Shortcut:
    return gate(
        spec.in_channels,
        spec.out_channels,
        stride=spec.stride,
        projection=_auto(spec).projection,
        device=spec.device,
        dtype=spec.dtype,
    )


def _dropout(spec: ShortcutSpec) -> Shortcut:
    return Shortcut(nn.Sequential(_auto(spec).projection, nn.Dropout(0.5)))


SHORTCUTS: dict[str, Callable[[ShortcutSpec], Shortcut]] = {
    "auto": _auto,
    "identity": _identity,
    "conv1x1": partial(_conv, kernel_size=1),
    "conv3x3": partial(_conv, kernel_size=3),
    "pad": _pad,
    "scale": _scale,
    "exclusive_gate": partial(_gate, gate=ExclusiveGate),
    "shortcut_gate": partial(_gate, gate=ShortcutGate),
    "dropout": _dropout,
}


def build_shortcut(shortcut: str | nn.Module, spec: ShortcutSpec) -> Shortcut:
    """The shortcut of that name, or the user's own module.

    Args:
        shortcut: a key of ``SHORTCUTS``, a :class:`Shortcut`, or any other module, whose output is then
            added to the residual.
        spec: the shapes that it must bridge.

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
