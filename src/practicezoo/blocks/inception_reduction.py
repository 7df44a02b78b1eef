"""Inception v3's blocks that halve height and width, after Szegedy et al. (arXiv:1512.00567)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.branches import BATCH_NORM, Branches, chain
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import ActivationFactory, NormFactory

__all__ = ["InceptionB", "InceptionD"]


class InceptionB(Branches):
    """Three branches with stride 2, joined on channels: 3x3, double 3x3, and maximum pooling.

    The first of Inception v3's two blocks that halve the image; the defaults equal torchvision's.

    Args:
        in_channels: channels of the input, and of the pooling branch.
        branch3x3: channels of the 3x3 branch.
        branch3x3dbl: channels of the 1x1 and the two 3x3 convolutions of the second branch.
        norm: class of the normalisation after each convolution; ``None`` for none; default: batch norm with
            ``eps=1e-3``.
        activation: class of the activation after each convolution; ``None`` for none.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_channels: the three branches' channels together.

    Shape:
        - input: ``(N, in_channels, H, W)``, H and W at least 3
        - output: ``(N, out_channels, (H - 1) // 2, (W - 1) // 2)``

    Raises:
        ValueError: if a size is below 1, a branch has the wrong number of sizes, or an input has the wrong
            shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = InceptionB(288)
        >>> block(torch.randn(2, 288, 35, 35)).shape
        torch.Size([2, 768, 17, 17])

    Source: Szegedy et al., arXiv:1512.00567, figure 10.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch3x3: int = 384,
        branch3x3dbl: Sequence[int] = (64, 96, 96),
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels, branch3x3=branch3x3)
        check_counts("branch3x3dbl", branch3x3dbl, length=3)
        super().__init__(in_channels, branch3x3 + branch3x3dbl[-1] + in_channels)
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        self.branch3x3 = conv(in_channels, branch3x3, 3, stride=2, padding=0)
        self.branch3x3dbl = chain(conv, (in_channels, *branch3x3dbl), (1, 3, 3), stride=2)
        self.branch_pool = nn.MaxPool2d(3, stride=2)


class InceptionD(Branches):
    """Three branches with stride 2, joined on channels: 3x3, 7x7 in two steps then 3x3, and maximum pooling.

    The second of Inception v3's two blocks that halve the image; the defaults equal torchvision's.

    Args:
        in_channels: channels of the input, and of the pooling branch.
        branch3x3: channels of the 1x1 and the 3x3 convolution of the first branch.
        branch7x7x3: channels of the 1x1, the 1x7, the 7x1 and the 3x3 convolution of the second branch.
        norm: class of the normalisation after each convolution; ``None`` for none; default: batch norm with
            ``eps=1e-3``.
        activation: class of the activation after each convolution; ``None`` for none.
        bias: whether convolutions add a bias; ``None`` means "unless there is a norm".
        device: where the parameters live.
        dtype: type of the parameters.

    Attributes:
        out_channels: the three branches' channels together.

    Shape:
        - input: ``(N, in_channels, H, W)``, H and W at least 3
        - output: ``(N, out_channels, (H - 1) // 2, (W - 1) // 2)``

    Raises:
        ValueError: if a size is below 1, a branch has the wrong number of sizes, or an input has the wrong
            shape.
        TypeError: if ``norm`` or ``activation`` is an instance instead of a class.

    Example:
        >>> block = InceptionD(768)
        >>> block(torch.randn(2, 768, 17, 17)).shape
        torch.Size([2, 1280, 8, 8])

    Source: Szegedy et al., arXiv:1512.00567, section 5; the 7x7 branch is that of the trained network.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        branch3x3: Sequence[int] = (192, 320),
        branch7x7x3: Sequence[int] = (192, 192, 192, 192),
        norm: NormFactory | None = BATCH_NORM,
        activation: ActivationFactory | None = nn.ReLU,
        bias: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_count(in_channels=in_channels)
        check_counts("branch3x3", branch3x3, length=2)
        check_counts("branch7x7x3", branch7x7x3, length=4)
        super().__init__(in_channels, branch3x3[-1] + branch7x7x3[-1] + in_channels)
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)
        self.branch3x3 = chain(conv, (in_channels, *branch3x3), (1, 3), stride=2)
        self.branch7x7x3 = chain(conv, (in_channels, *branch7x7x3), (1, (1, 7), (7, 1), 3), stride=2)
        self.branch_pool = nn.MaxPool2d(3, stride=2)
