"""Inception blocks with square kernels, after Szegedy et al. (arXiv:1409.4842 and arXiv:1512.00567)."""

from collections.abc import Sequence
from functools import partial
from typing import Self

import torch
from torch import nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.branches import BATCH_NORM, Branches, chain, pool_project
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import ActivationFactory, NormFactory

__all__ = ["InceptionA", "InceptionV1"]


class InceptionV1(Branches):
    """Four branches side by side, joined on channels: 1x1, 3x3, "5x5", and maximum pooling.

    GoogLeNet's block. The defaults are those of its first one and equal torchvision's ``Inception``, which
    has batch norms and, in the branch that the paper calls 5x5, a 3x3 kernel: its trained weights need it.
    The paper's block is ``InceptionV1(192, kernel_size=5, norm=None)``.

    Args:
        in_channels: channels of the input.
        branch1x1: channels of the 1x1 branch.
        branch3x3: channels of the 1x1 and the 3x3 convolution of the second branch.
        branch5x5: channels of the 1x1 and the larger convolution of the third branch.
        pool_features: channels of the 1x1 convolution after 3x3 maximum pooling.
        kernel_size: side of the third branch's larger kernel: 3 as in torchvision, 5 as in the paper; odd.
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
        ValueError: if a size is below 1, ``kernel_size`` is even, a branch has the wrong number of sizes, or
            an input has the wrong shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = InceptionV1(192)
        >>> block(torch.randn(2, 192, 28, 28)).shape
        torch.Size([2, 256, 28, 28])

    Source: Szegedy et al., arXiv:1409.4842, figure 2(b).
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch1x1: int = 64,
        branch3x3: Sequence[int] = (96, 128),
        branch5x5: Sequence[int] = (16, 32),
        pool_features: int = 32,
        kernel_size: int = 3,
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, branch1x1=branch1x1, pool_features=pool_features)
        check_counts("branch3x3", branch3x3, length=2)
        check_counts("branch5x5", branch5x5, length=2)
        super().__init__(in_channels, branch1x1 + branch3x3[-1] + branch5x5[-1] + pool_features)
        self.pool_features = pool_features
        self.kernel_size = kernel_size
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        self.branch1x1 = conv(in_channels, branch1x1, 1)
        self.branch3x3 = chain(conv, (in_channels, *branch3x3), (1, 3))
        self.branch5x5 = chain(conv, (in_channels, *branch5x5), (1, kernel_size))
        self.branch_pool = pool_project(nn.MaxPool2d, conv(in_channels, pool_features, 1))


class InceptionA(Branches):
    """Four branches side by side, joined on channels: 1x1, 5x5, double 3x3, and pooling.

    The defaults are the course's block: 88 channels and no activation, so that it is an affine map of its
    input and needs activations around it. ``activation=nn.ReLU`` puts one after each convolution;
    :meth:`v3` gives Inception v3's block.

    Args:
        in_channels: channels of the input.
        branch1x1: channels of the 1x1 branch.
        branch5x5: channels of the 1x1 and the 5x5 convolution of the second branch.
        branch3x3dbl: channels of the 1x1 and the two 3x3 convolutions of the third branch.
        pool_features: channels of the 1x1 convolution after 3x3 average pooling.
        norm: class of the normalisation after each convolution; ``None`` for none.
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
        >>> block = InceptionA(10)
        >>> block(torch.randn(3, 10, 12, 12)).shape
        torch.Size([3, 88, 12, 12])

    Source: the course's lecture on advanced CNNs; Szegedy et al., arXiv:1512.00567, figure 5.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch1x1: int = 16,
        branch5x5: Sequence[int] = (16, 24),
        branch3x3dbl: Sequence[int] = (16, 24, 24),
        pool_features: int = 24,
        norm: NormFactory | None = None,
        activation: ActivationFactory | None = None,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, branch1x1=branch1x1, pool_features=pool_features)
        check_counts("branch5x5", branch5x5, length=2)
        check_counts("branch3x3dbl", branch3x3dbl, length=3)
        super().__init__(in_channels, branch1x1 + branch5x5[-1] + branch3x3dbl[-1] + pool_features)
        self.pool_features = pool_features
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        self.branch1x1 = conv(in_channels, branch1x1, 1)
        self.branch5x5 = chain(conv, (in_channels, *branch5x5), (1, 5))
        self.branch3x3dbl = chain(conv, (in_channels, *branch3x3dbl), (1, 3, 3))
        self.branch_pool = pool_project(nn.AvgPool2d, conv(in_channels, pool_features, 1))

    @classmethod
    def v3(
        cls,
        in_channels: int,
        pool_features: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The block of Inception v3 in torchvision's widths: batch norm, ReLU, no bias.

        Example:
            >>> sum(parameter.numel() for parameter in InceptionA.v3(192, 32).parameters())
            255904
        """
        return cls(
            in_channels,
            branch1x1=64,
            branch5x5=(48, 64),
            branch3x3dbl=(64, 96, 96),
            pool_features=pool_features,
            norm=BATCH_NORM,
            activation=nn.ReLU,
            device=device,
            dtype=dtype,
        )
