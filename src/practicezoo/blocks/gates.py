"""Gated shortcuts, after He et al. 2016 (arXiv:1603.05027)."""

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.shortcuts import Shortcut, check_joins

__all__ = ["ExclusiveGate", "ShortcutGate"]


class ShortcutGate(Shortcut):
    """Shortcut-only gating: ``(1 - g) * projection(x) + residual``, where ``g = sigmoid(gate(x))``.

    The gate is a 1x1 convolution of the block's input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the residual; default: those of the input.
        stride: stride of the residual branch.
        initial_bias: the gate's bias at the start; a negative one starts near the plain shortcut
            (-6 is the paper's best).
        projection: as in :class:`Shortcut`.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        - input: ``x`` ``(N, in_channels, H, W)`` and ``residual`` ``(N, out_channels, H', W')``
        - output: the shape of ``residual``

    Raises:
        ValueError: if a size is below 1, or the gate's or the projection's shape is not the residual's.

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
        check_count(in_channels=in_channels, out_channels=out_channels, stride=stride)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.initial_bias = initial_bias
        self.gate = nn.Conv2d(in_channels, out_channels, 1, stride=stride, device=device, dtype=dtype)
        self.reset_parameters()

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join a block's input and its residual; see the class for shapes."""
        gate = check_joins(residual, "gate", self.open(x))
        return (1 - gate) * self.project(x, residual) + residual

    def open(self, x: Tensor) -> Tensor:
        """How far the gate opens at each place of the residual: ``sigmoid(gate(x))``."""
        check_shape(self, x, ("N", self.in_channels, "H", "W"))
        return torch.sigmoid(self.gate(x))

    def reset_parameters(self) -> None:
        """Initialise the gate's weights and set its bias to ``initial_bias``."""
        self.gate.reset_parameters()
        nn.init.constant_(self.gate.bias, self.initial_bias)  # type: ignore[arg-type]  # it has a bias


class ExclusiveGate(ShortcutGate):
    """Exclusive gating, as in highway networks: ``(1 - g) * projection(x) + g * residual``.

    The gate is that of :class:`ShortcutGate`; the weights of the two paths sum to one.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the residual; default: those of the input.
        stride: stride of the residual branch.
        initial_bias: the gate's bias at the start; a negative one starts near the plain shortcut.
        projection: as in :class:`Shortcut`.
        device: where the parameters live.
        dtype: type of the parameters.

    Shape:
        As in :class:`ShortcutGate`.

    Raises:
        ValueError: as in :class:`ShortcutGate`.

    Example:
        >>> gate = ExclusiveGate(4, initial_bias=50.0)  # open: the residual alone
        >>> x, residual = torch.randn(2, 1, 4, 3, 3)
        >>> torch.equal(gate(x, residual), residual)
        True

    Source: He et al., arXiv:1603.05027, section 3.1; Srivastava et al., arXiv:1505.00387.
    """

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """Join a block's input and its residual; see the class for shapes."""
        gate = check_joins(residual, "gate", self.open(x))
        return (1 - gate) * self.project(x, residual) + gate * residual
