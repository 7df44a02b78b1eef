"""Temporal convolutions, after Bai, Kolter and Koltun (arXiv:1803.01271)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.instancenorm import _InstanceNorm

from practicezoo.arguments import check_count, check_fraction
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation, build_norm
from practicezoo.blocks.padded import check_asks_no_batch, is_exporting, is_row_wise
from practicezoo.blocks.recurrent import Sequences
from practicezoo.blocks.shortcut_registry import ShortcutSpec, build_shortcut
from practicezoo.blocks.steps import Padding, fold, hide, real_places, unfold

__all__ = ["TemporalConvBlock"]


class TemporalConvBlock(nn.Module):
    """Two dilated convolutions over the steps of sequences, and a shortcut past them.

    A sequence's result depends on that sequence alone: padding is zero before each convolution, as what lies
    beyond a sequence's end is to that sequence alone, and norms see real steps only. A causal block's output
    at a step depends on this step and on those before; a centred one looks as far ahead as it looks back.

    Args:
        in_channels: values at each step of the input.
        out_channels: values at each step of the output; default: those of the input.
        kernel_size: steps that each convolution reads; odd unless ``causal``.
        dilation: distance between these steps.
        causal: whether a step's output depends on no later step.
        dropout: dropout probability after each activation of the two convolutions.
        shortcut: as in :class:`~practicezoo.ResidualBlock`, without a norm: a name but "conv3x3", which
            would look ahead, or a module over ``(N, channels, 1, T)`` that looks at each step alone.
        norm: class of the normalisation of a step's values, called with their number, such as
            ``nn.BatchNorm1d`` or ``nn.LayerNorm``: it is given ``(steps, channels)``; ``None`` for none.
        activation: class of the activation after each convolution and after the sum; ``None`` for none.
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        receptive_field: steps of the input on which a step of the output depends, its own included.

    Shape:
        - input: ``(N, T, in_channels)`` as a tensor (every step counts), a :class:`PaddedSequence`, or a
          PackedSequence
        - output: ``(N, T, out_channels)`` in the form of the input; zeros at padding

    Raises:
        ValueError: if a size is below 1, ``kernel_size`` is even in a centred block, ``dropout`` is outside
            [0, 1), ``shortcut`` is unknown or cannot bridge the shapes, or an input has the wrong shape or
            lengths.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class, ``norm`` averages over
            steps, or an input is not floating point.

    Example:
        >>> from practicezoo.sequences import PaddedSequence
        >>> block = TemporalConvBlock(3, 16, kernel_size=2, dilation=4)
        >>> batch = PaddedSequence(torch.randn(2, 9, 3), lengths=torch.tensor([9, 5]))
        >>> block(batch).data.shape, block.receptive_field
        (torch.Size([2, 9, 16]), 9)

    Source: Bai et al., arXiv:1803.01271, section 3.3, with ``norm`` in the place of weight normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        *,
        kernel_size: int = 3,
        dilation: int = 1,
        causal: bool = True,
        dropout: float = 0.0,
        shortcut: str | nn.Module = "auto",
        norm: NormFactory | None = None,
        activation: ActivationFactory | None = nn.ReLU,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        check_count(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, dilation=dilation
        )
        check_fraction(dropout=dropout)
        if not causal and kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd in a centred convolution, got {kernel_size}")
        if shortcut == "conv3x3":
            raise ValueError('shortcut must look at each step alone, got "conv3x3"')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.causal = causal
        self.dropout = dropout
        self.layers = nn.ModuleList(
            _Layer(
                num_channels,
                out_channels,
                kernel_size=kernel_size,
                dilation=dilation,
                causal=causal,
                dropout=dropout,
                norm=norm,
                activation=activation,
                device=device,
                dtype=dtype,
            )
            for num_channels in (in_channels, out_channels)
        )
        self.shortcut = build_shortcut(
            shortcut, ShortcutSpec(in_channels, out_channels, device=device, dtype=dtype)
        )
        self.activation = build_activation(activation, device=device, dtype=dtype)

    @property
    def receptive_field(self) -> int:
        """Steps of the input on which a step of the output depends, its own included."""
        return 1 + len(self.layers) * (self.kernel_size - 1) * self.dilation

    def forward(self, inputs: Sequences) -> Sequences:
        """Add the shortcut to what the convolutions make; see the class for shapes."""
        steps, padding = unfold(self, inputs, self.in_channels)
        features = residual = steps.transpose(1, 2)  # (N, C, T), as torch's convolutions take them
        for layer in self.layers:
            residual = layer(residual, padding)
        joined = self.shortcut(features.unsqueeze(2), residual.unsqueeze(2)).squeeze(2)  # images of height 1
        outputs = self.activation(joined).transpose(1, 2)
        return fold(inputs, hide(outputs, padding))


class _Layer(nn.Module):
    """Convolution, norm, activation and dropout over ``(N, C, T)``, zero at padding again."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        dilation: int,
        causal: bool,
        dropout: float,
        norm: NormFactory | None,
        activation: ActivationFactory | None,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        reach = dilation * (kernel_size - 1)
        self.zeros = (reach, 0) if causal else (reach // 2, reach // 2)  # before and behind the sequence
        self.conv = nn.Conv1d(
            in_channels,
            out_channels,
            kernel_size,
            dilation=dilation,
            bias=norm is None,
            device=device,
            dtype=dtype,
        )
        self.norm = build_norm(norm, out_channels, device=device, dtype=dtype)
        if isinstance(self.norm, _InstanceNorm):
            raise TypeError(f"norm must look at each step alone, got {norm!r}, which averages over the steps")
        self.activation = build_activation(activation, device=device, dtype=dtype)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, padding: Padding | None) -> Tensor:
        features = self.conv(F.pad(features, self.zeros))
        if not isinstance(self.norm, nn.Identity):
            features = self._normalise(features.transpose(1, 2), padding).transpose(1, 2)
        return hide(self.dropout(self.activation(features)), padding, dim=2)

    def _normalise(self, steps: Tensor, padding: Padding | None) -> Tensor:
        """The norm of real steps ``(N, T, C)`` alone: their statistics must not know of padding."""
        rows = steps.flatten(0, 1)  # (N * T, C)
        if padding is None:
            return self.norm(rows).view_as(steps)
        real = padding.real
        if is_exporting():
            check_asks_no_batch(self.norm)
        elif real is None and not is_row_wise(self.norm):
            real = real_places(padding.mask)  # which no CUDA graph can hold
        if real is None:
            return self.norm(rows).view_as(steps)
        normalised = self.norm(rows.index_select(0, real))
        zeros = torch.zeros_like(rows, dtype=normalised.dtype)
        return zeros.index_copy(0, real, normalised).view_as(steps)
