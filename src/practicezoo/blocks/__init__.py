"""Building blocks: parts to compose networks from, peers of ``torch.nn``'s layers."""

from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.dense import DenseBlock, Transition
from practicezoo.blocks.excitation import SqueezeExcitation
from practicezoo.blocks.fuse import fuse_conv_norm
from practicezoo.blocks.gates import ExclusiveGate, ShortcutGate
from practicezoo.blocks.inception import InceptionA, InceptionV1
from practicezoo.blocks.inception_factorized import InceptionC, InceptionE
from practicezoo.blocks.inception_reduction import InceptionB, InceptionD
from practicezoo.blocks.recurrent import Encoded, SequenceEncoder
from practicezoo.blocks.residual import BottleneckBlock, ResidualBlock
from practicezoo.blocks.shortcut_registry import SHORTCUTS, ShortcutSpec
from practicezoo.blocks.shortcuts import PadChannels, Scale, Shortcut
from practicezoo.blocks.temporal import TemporalConvBlock

__all__ = [
    "SHORTCUTS",
    "BottleneckBlock",
    "ConvNormAct",
    "DenseBlock",
    "Encoded",
    "ExclusiveGate",
    "InceptionA",
    "InceptionB",
    "InceptionC",
    "InceptionD",
    "InceptionE",
    "InceptionV1",
    "PadChannels",
    "ResidualBlock",
    "Scale",
    "SequenceEncoder",
    "Shortcut",
    "ShortcutGate",
    "ShortcutSpec",
    "SqueezeExcitation",
    "TemporalConvBlock",
    "Transition",
    "fuse_conv_norm",
]
