"""Temporal convolutional networks, after Bai, Kolter and Koltun (arXiv:1803.01271)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.factories import ActivationFactory, NormFactory
from practicezoo.blocks.temporal import TemporalConvBlock
from practicezoo.models.image import FeatureInfo
from practicezoo.models.registry import register_model
from practicezoo.models.sequence import Pooling, SequenceClassifier

__all__ = ["TemporalConvNet"]


@register_model("mnist1d_tcn")
class TemporalConvNet(SequenceClassifier):
    """Classifies sequences by dilated convolutions: blocks whose dilation doubles, pooling, a linear head.

    The logits of a sequence depend on that sequence alone: not on its batch, its padding, or the form in
    which the batch comes.

    Args:
        in_channels: values at each step.
        num_classes: classes.
        channels: values at each step after each block, the first of dilation 1, the next of 2, 4, ...
        kernel_size: steps that each convolution reads; odd unless ``causal``.
        causal: whether a step's features depend on no later step.
        pooling: what the head reads: the "mean" of all real steps or the "last" of them.
        dropout: dropout probability after each activation inside the blocks.
        norm: class of the normalisation of a step's values; ``None`` for none.
        activation: class of the activation; ``None`` for none.
        shortcut: as in :class:`~practicezoo.TemporalConvBlock`.
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        receptive_field: steps of the input on which a step's features depend, its own included.

    Shape:
        - inputs: ``(N, T, in_channels)`` as a :class:`PaddedSequence`, a PackedSequence, or a tensor (then
          every step counts, unless ``lengths`` ``(N,)`` are given)
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``kernel_size`` is even in a centred network, ``pooling`` is
            unknown, ``dropout`` is outside [0, 1), or an input has the wrong shape or lengths.
        TypeError: if an input is not floating point, or lengths come with an input that has its own.

    Example:
        >>> model = TemporalConvNet(3, 5, causal=True, pooling="last")
        >>> model(torch.randn(2, 40, 3)).shape
        torch.Size([2, 5])
        >>> model.receptive_field
        121

    Source: Bai et al., arXiv:1803.01271; the mean over all steps: Wang, Yan and Oates, arXiv:1611.06455.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        channels: Sequence[int] = (32, 32, 32, 32),
        kernel_size: int = 5,
        causal: bool = False,
        pooling: Pooling = "mean",
        dropout: float = 0.0,
        norm: NormFactory | None = nn.BatchNorm1d,
        activation: ActivationFactory | None = nn.ReLU,
        shortcut: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels)
        check_counts("channels", channels)
        if not channels:
            raise ValueError(f"channels must be one or more, got {channels!r}")
        blocks = (
            TemporalConvBlock(
                *ends,
                kernel_size=kernel_size,
                dilation=2**number,
                causal=causal,
                dropout=dropout,
                shortcut=shortcut,
                norm=norm,
                activation=activation,
                device=device,
                dtype=dtype,
            )
            for number, ends in enumerate(pairwise((in_channels, *channels)))
        )
        super().__init__(
            nn.Sequential(*blocks),
            in_channels=in_channels,
            num_classes=num_classes,
            pooling=pooling,
            device=device,
            dtype=dtype,
        )
        self.channels = tuple(channels)
        self.kernel_size = kernel_size
        self.causal = causal

    @property
    def receptive_field(self) -> int:
        """Steps of the input on which a step's features depend, its own included."""
        return 1 + sum(block.receptive_field - 1 for block in self.encoder)  # type: ignore[attr-defined]

    @property
    def feature_info(self) -> list[FeatureInfo]:
        """Name, channels and reduction of each block, whose outputs have all steps of the input."""
        return [FeatureInfo(f"encoder.{place}", count, 1) for place, count in enumerate(self.channels)]
