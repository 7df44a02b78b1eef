"""Branches side by side, the shape of every Inception block, after Szegedy et al. (arXiv:1409.4842)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.conv import ConvNormAct, Size
from practicezoo.blocks.factories import NormFactory

__all__ = ["BATCH_NORM", "Branches", "chain", "pool_project"]

BATCH_NORM: NormFactory = partial(nn.BatchNorm2d, eps=1e-3)  # the Inception networks' epsilon


class Branches(nn.Module):
    """Its children side by side: each reads the same input, and their outputs are concatenated on channels.

    The branches are the attributes that are modules, in the order in which they are assigned.

    Args:
        in_channels: channels of the input.
        out_channels: the branches' channels together.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels

    def forward(self, features: Tensor) -> Tensor:
        """Concatenate the branches' outputs; see the class for shapes."""
        check_shape(self, features, ("N", self.in_channels, "H", "W"))
        branches = (branch for branch in self._modules.values() if branch is not None)
        return torch.cat([branch(features) for branch in branches], dim=1)


def chain(
    conv: Callable[..., ConvNormAct],
    channels: Sequence[int],
    kernel_sizes: Sequence[Size],
    *,
    stride: int = 1,
) -> nn.Sequential:
    """Convolutions in a row.

    Args:
        conv: makes one of them.
        channels: of the input and of each convolution's output.
        kernel_sizes: one for each convolution.
        stride: step of the last convolution, which above 1 has no zeros around its input.
    """
    *steps, (ends, size) = zip(pairwise(channels), kernel_sizes, strict=True)
    first = [conv(*ends, size) for ends, size in steps]
    last = conv(*ends, size, stride=stride, padding="same-size" if stride == 1 else 0)
    return nn.Sequential(*first, last)


def pool_project(pool: type[nn.AvgPool2d | nn.MaxPool2d], project: nn.Module) -> nn.Sequential:
    """3x3 pooling that keeps height and width, then a 1x1 convolution."""
    return nn.Sequential(pool(3, stride=1, padding=1), project)
