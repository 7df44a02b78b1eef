"""Building blocks: parts to compose networks from, peers of ``torch.nn``'s layers."""

from practicezoo.blocks.recurrent import SequenceEncoder

__all__ = ["SequenceEncoder"]
