"""Samples and batches: vocabularies, data sets, collate functions, samplers and loaders."""

from practicezoo.data.collate import pack_collate, pad_collate
from practicezoo.data.loader import TensorLoader
from practicezoo.data.names import NameDataset
from practicezoo.data.samplers import LengthBucketBatchSampler
from practicezoo.data.vocab import CharVocab

__all__ = [
    "CharVocab",
    "LengthBucketBatchSampler",
    "NameDataset",
    "TensorLoader",
    "pack_collate",
    "pad_collate",
]
