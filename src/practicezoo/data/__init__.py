"""Samples and batches: vocabularies, data sets, collate functions, samplers and loaders."""

from practicezoo.data.augment import RandomShift, RandomWarp
from practicezoo.data.collate import pack_collate, pad_collate
from practicezoo.data.diabetes import DiabetesDataset
from practicezoo.data.images import ImageTensors, load_images
from practicezoo.data.loader import TensorLoader
from practicezoo.data.names import NameDataset
from practicezoo.data.normalize import NormalizeImages
from practicezoo.data.samplers import LengthBucketBatchSampler
from practicezoo.data.synthetic import synthetic_digits, synthetic_table
from practicezoo.data.tabular import CSVDataset
from practicezoo.data.vocab import CharVocab

__all__ = [
    "CSVDataset",
    "CharVocab",
    "DiabetesDataset",
    "ImageTensors",
    "LengthBucketBatchSampler",
    "NameDataset",
    "NormalizeImages",
    "RandomShift",
    "RandomWarp",
    "TensorLoader",
    "load_images",
    "pack_collate",
    "pad_collate",
    "synthetic_digits",
    "synthetic_table",
]
