"""Inception v3's blocks whose kernels are split into rows and columns (Szegedy et al., arXiv:1512.00567)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import torch
from torch import nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.branches import BATCH_NORM, Branches, chain, pool_project
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import ActivationFactory, NormFactory

__all__ = ["InceptionC", "InceptionE"]


class InceptionC(Branches):
    """Four branches side by side, joined on channels: 1x1, 7x7, double 7x7, and average pooling.

    Each 7x7 convolution is a 1x7 and a 7x1 one in a row, which cost two sevenths. The defaults are Inception
    v3's first such block; :meth:`v3` gives the others.

    Args:
        in_channels: channels of the input.
        branch1x1: channels of the 1x1 branch.
        branch7x7: channels of the 1x1, the 1x7 and the 7x1 convolution of the second branch.
        branch7x7dbl: channels of the 1x1, the 7x1, the 1x7, the 7x1 and the 1x7 convolution of the third
            branch.
        pool_features: channels of the 1x1 convolution after 3x3 average pooling.
        norm: class of the normalisation after each convolution; ``None`` for none; default: batch norm with
            ``eps=1e-3``.
        activation: class of the activation after each convolution; ``None`` for none.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_channels: the four branches' channels together.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, H, W)``

    Raises:
        ValueError: if a size is below 1, a branch has the wrong number of sizes, or an input has the wrong
            shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = InceptionC(768)
        >>> block(torch.randn(2, 768, 17, 17)).shape
        torch.Size([2, 768, 17, 17])

    Source: Szegedy et al., arXiv:1512.00567, figure 6.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch1x1: int = 192,
        branch7x7: Sequence[int] = (128, 128, 192),
        branch7x7dbl: Sequence[int] = (128, 128, 128, 128, 192),
        pool_features: int = 192,
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, branch1x1=branch1x1, pool_features=pool_features)
        check_counts("branch7x7", branch7x7, length=3)
        check_counts("branch7x7dbl", branch7x7dbl, length=5)
        super().__init__(in_channels, branch1x1 + branch7x7[-1] + branch7x7dbl[-1] + pool_features)
        self.pool_features = pool_features
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        row, column = (1, 7), (7, 1)
        self.branch1x1 = conv(in_channels, branch1x1, 1)
        self.branch7x7 = chain(conv, (in_channels, *branch7x7), (1, row, column))
        self.branch7x7dbl = chain(conv, (in_channels, *branch7x7dbl), (1, column, row, column, row))
        self.branch_pool = pool_project(nn.AvgPool2d, conv(in_channels, pool_features, 1))

    @classmethod
    def v3(
        cls,
        in_channels: int,
        channels_7x7: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The block of Inception v3 whose inner convolutions all make ``channels_7x7`` channels.

        Example:
            >>> sum(parameter.numel() for parameter in InceptionC.v3(768, 160).parameters())
            1691008
        """
        inner = channels_7x7
        return cls(
            in_channels,
            branch7x7=(inner, inner, 192),
            branch7x7dbl=(inner, inner, inner, inner, 192),
            device=device,
            dtype=dtype,
        )


class InceptionE(Branches):
    """Four branches side by side, joined on channels: 1x1, split 3x3, double split 3x3, and average pooling.

    Where a 3x3 convolution is split, a 1x3 and a 3x1 one read the same input, and both results are kept.
    The defaults equal torchvision's.

    Args:
        in_channels: channels of the input.
        branch1x1: channels of the 1x1 branch.
        branch3x3: channels of the 1x1 convolution of the second branch, and of the 1x3 and the 3x1 after it.
        branch3x3dbl: channels of the 1x1 and the 3x3 convolution of the third branch, and of the 1x3 and the
            3x1 after them.
        pool_features: channels of the 1x1 convolution after 3x3 average pooling.
        norm: class of the normalisation after each convolution; ``None`` for none; default: batch norm with
            ``eps=1e-3``.
        activation: class of the activation after each convolution; ``None`` for none.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_channels: the branches' channels together; the split ones count twice.

    Shape:
        - input: ``(N, in_channels, H, W)``
        - output: ``(N, out_channels, H, W)``

    Raises:
        ValueError: if a size is below 1, a branch has the wrong number of sizes, or an input has the wrong
            shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = InceptionE(1280)
        >>> block(torch.randn(2, 1280, 8, 8)).shape
        torch.Size([2, 2048, 8, 8])

    Source: Szegedy et al., arXiv:1512.00567, figure 7.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch1x1: int = 320,
        branch3x3: Sequence[int] = (384, 384, 384),
        branch3x3dbl: Sequence[int] = (448, 384, 384, 384),
        pool_features: int = 192,
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, branch1x1=branch1x1, pool_features=pool_features)
        check_counts("branch3x3", branch3x3, length=3)
        check_counts("branch3x3dbl", branch3x3dbl, length=4)
        super().__init__(in_channels, branch1x1 + sum(branch3x3[1:]) + sum(branch3x3dbl[2:]) + pool_features)
        self.pool_features = pool_features
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        self.branch1x1 = conv(in_channels, branch1x1, 1)
        self.branch3x3 = chain(conv, (in_channels, branch3x3[0]), (1,))
        self.branch3x3.append(_Split(conv, *branch3x3))
        self.branch3x3dbl = chain(conv, (in_channels, *branch3x3dbl[:2]), (1, 3))
        self.branch3x3dbl.append(_Split(conv, *branch3x3dbl[1:]))
        self.branch_pool = pool_project(nn.AvgPool2d, conv(in_channels, pool_features, 1))


class _Split(Branches):
    """A 1x3 and a 3x1 convolution side by side."""

    def __init__(
        self, conv: Callable[..., ConvNormAct], in_channels: int, row_channels: int, column_channels: int
    ) -> None:
        super().__init__(in_channels, row_channels + column_channels)
        self.row = conv(in_channels, row_channels, (1, 3))
        self.column = conv(in_channels, column_channels, (3, 1))
