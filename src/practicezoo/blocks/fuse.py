"""Folding batch norms into the convolutions before them."""

import copy
from itertools import pairwise
from typing import TypeVar, cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from practicezoo.blocks.conv import ConvNormAct

__all__ = ["fuse_conv_norm"]

Module = TypeVar("Module", bound=nn.Module)

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def fuse_conv_norm(module: Module) -> Module:
    """A copy for evaluation in which batch norms are part of the convolutions before them.

    A pair is a convolution and a batch norm that follow each other in an ``nn.Sequential``, as in
    :class:`~practicezoo.ConvNormAct` and so in every block here. The norm of a pair gives way to an
    identity; the module itself is left as it is.

    Args:
        module: any module.

    Returns:
        The copy, in evaluation mode, with equal outputs up to rounding.

    Example:
        >>> import torch
        >>> from practicezoo.blocks import ConvNormAct
        >>> conv = ConvNormAct(3, 8, 3, norm=nn.BatchNorm2d).eval()
        >>> fused = fuse_conv_norm(conv)
        >>> fused.norm
        Identity()
        >>> images = torch.randn(2, 3, 8, 8)
        >>> torch.allclose(fused(images), conv(images), atol=1e-5)
        True

    Source: Jacob et al., arXiv:1712.05877, section 3.2; ``torch.nn.utils.fusion``.
    """
    fused = copy.deepcopy(module).eval()
    for parent in fused.modules():
        if type(parent).forward in (nn.Sequential.forward, ConvNormAct.forward):
            _fuse_pairs(cast(nn.Sequential, parent))
    return fused


def _fuse_pairs(parent: nn.Sequential) -> None:
    for index, (conv, norm) in enumerate(pairwise(list(parent))):
        # a subclass may compute something else, and a norm without running averages cannot be folded
        if type(conv) in CONVS and type(norm) in NORMS and norm.running_mean is not None:
            parent[index] = fuse_conv_bn_eval(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))
            parent[index + 1] = nn.Identity()
