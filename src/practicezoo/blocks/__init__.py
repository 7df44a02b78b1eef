"""Building blocks: parts to compose networks from, peers of ``torch.nn``'s layers."""

from practicezoo.blocks.conv import ConvNormAct
from practicezoo.blocks.inception import InceptionA
from practicezoo.blocks.recurrent import SequenceEncoder

__all__ = [
    "ConvNormAct",
    "InceptionA",
    "SequenceEncoder",
]
