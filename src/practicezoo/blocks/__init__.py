"""Building blocks: parts to compose networks from, peers of ``torch.nn``'s layers."""

from practicezoo.blocks.recurrent import Encoded, SequenceEncoder

__all__ = ["Encoded", "SequenceEncoder"]
