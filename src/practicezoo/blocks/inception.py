"""Inception blocks, after Szegedy et al. (arXiv:1409.4842 and arXiv:1512.00567)."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count, check_counts
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.factories import ActivationFactory, NormFactory

__all__ = ["InceptionA"]


class InceptionA(nn.Module):
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
        super().__init__()
        check_count(in_channels=in_channels, branch1x1=branch1x1, pool_features=pool_features)
        check_counts("branch5x5", branch5x5, length=2)
        check_counts("branch3x3dbl", branch3x3dbl, length=3)
        self.in_channels = in_channels
        self.pool_features = pool_features
        self.out_channels = branch1x1 + branch5x5[-1] + branch3x3dbl[-1] + pool_features
        conv = partial(ConvNormAct, norm=norm, activation=activation, bias=bias, device=device, dtype=dtype)

        def chain(num_channels: Iterable[int], kernel_sizes: Iterable[int]) -> nn.Sequential:
            steps = zip(pairwise((in_channels, *num_channels)), kernel_sizes, strict=True)
            return nn.Sequential(*(conv(*ends, kernel_size=kernel_size) for ends, kernel_size in steps))

        self.branch1x1 = conv(in_channels, branch1x1, kernel_size=1)
        self.branch5x5 = chain(branch5x5, (1, 5))
        self.branch3x3dbl = chain(branch3x3dbl, (1, 3, 3))
        self.branch_pool = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1), conv(in_channels, pool_features, kernel_size=1)
        )

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
            norm=partial(nn.BatchNorm2d, eps=1e-3),
            activation=nn.ReLU,
            device=device,
            dtype=dtype,
        )

    def forward(self, features: Tensor) -> Tensor:
        """Concatenate the branches' outputs; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        branches = (self.branch1x1, self.branch5x5, self.branch3x3dbl, self.branch_pool)
        return torch.cat([branch(features) for branch in branches], dim=1)
