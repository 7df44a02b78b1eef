"""How the families' convolutions start."""

from typing import Literal

from torch import nn

from practicezoo.blocks import ConvNormAct

__all__ = ["init_convolutions"]


def init_convolutions(features: nn.Module, *, mode: Literal["fan_in", "fan_out"]) -> None:
    """Give every convolution of a :class:`~practicezoo.ConvNormAct` He et al.'s normal start for ReLU.

    Biases and norms keep torch's start, as do convolutions of other blocks, such as a shortcut's gate.

    Args:
        features: the network.
        mode: what the variance divides by: "fan_in" keeps it forward, "fan_out" backward.

    Source: He et al., arXiv:1502.01852.
    """
    for part in features.modules():
        if isinstance(part, ConvNormAct):
            nn.init.kaiming_normal_(part.conv.weight, mode=mode, nonlinearity="relu")
