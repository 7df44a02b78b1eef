"""Shortcuts of residual blocks, after He et al. 2016 (arXiv:1603.05027).

A shortcut joins the input ``x`` of a block with the result ``F(x)`` of its residual branch:
``shortcut(x, F(x))``. :class:`Shortcut` adds them; the others weight them first.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from practicezoo.arguments import check_count
from practicezoo.blocks.checks import check_shape, is_traced

__all__ = ["PadChannels", "Scale", "Shortcut", "check_joins"]


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
        >>> import torch
        >>> shortcut = Shortcut()
        >>> shortcut(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 3, 3)).unique()
        tensor([2.])
    """

    def __init__(self, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.projection = nn.Identity() if projection is None else projection

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join a block's input and its residual; see the class for shapes."""
        return self.project(x, residual) + residual

    def project(self, x: Tensor, residual: Tensor) -> Tensor:
        """``projection(x)``, which must have the residual's shape."""
        return check_joins(residual, "shortcut", self.projection(x))


class Scale(Shortcut):
    """Constant scaling: a weighted sum of projected input and residual; (1, 1) is plain addition.

    Args:
        projection: as in :class:`Shortcut`.
        shortcut: factor of the projected input.
        residual: factor of the residual.

    Example:
        >>> import torch
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
        """Join a block's input and its residual; see the class for shapes."""
        return self.shortcut * self.project(x, residual) + self.residual * residual

    def extra_repr(self) -> str:
        """The two factors."""
        return f"shortcut={self.shortcut}, residual={self.residual}"


def check_joins(residual: Tensor, part: str, output: Tensor) -> Tensor:
    """``output``, which must have the residual's shape."""
    if not is_traced(output) and output.shape != residual.shape:
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
        >>> import torch
        >>> PadChannels(1, 3, stride=2)(torch.ones(1, 1, 5, 5)).sum(dim=(-2, -1))
        tensor([[9., 0., 0.]])

    Source: He et al., arXiv:1512.03385, section 3.3, option A.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        check_count(in_channels=in_channels, stride=stride)
        if out_channels < in_channels:
            raise ValueError(
                f"out_channels must be at least in_channels={in_channels} to pad, got {out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """Drop pixels and add channels; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        kept = features[..., :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.out_channels - self.in_channels))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"
