"""Samples and batches: vocabularies, data sets, collate functions, samplers and loaders."""

import importlib
from typing import TYPE_CHECKING, Any

# Where each name lives: a trained network that reads pictures needs no reader of tables (PEP 562).
_HOMES = {
    "RandomFlip": "augment",
    "RandomShift": "augment",
    "RandomWarp": "augment",
    "load_cifar10": "cifar10",
    "pack_collate": "collate",
    "pad_collate": "collate",
    "DiabetesDataset": "diabetes",
    "ImageTensors": "images",
    "load_images": "images",
    "TensorLoader": "loader",
    "mnist1d_signals": "mnist1d",
    "NameDataset": "names",
    "NormalizeImages": "normalize",
    "LengthBucketBatchSampler": "samplers",
    "synthetic_digits": "synthetic",
    "synthetic_table": "synthetic",
    "CSVDataset": "tabular",
    "CharVocab": "vocab",
}

if TYPE_CHECKING:
    from practicezoo.data.augment import RandomFlip, RandomShift, RandomWarp
    from practicezoo.data.cifar10 import load_cifar10
    from practicezoo.data.collate import pack_collate, pad_collate
    from practicezoo.data.diabetes import DiabetesDataset
    from practicezoo.data.images import ImageTensors, load_images
    from practicezoo.data.loader import TensorLoader
    from practicezoo.data.mnist1d import mnist1d_signals
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
    "RandomFlip",
    "RandomShift",
    "RandomWarp",
    "TensorLoader",
    "load_cifar10",
    "load_images",
    "mnist1d_signals",
    "pack_collate",
    "pad_collate",
    "synthetic_digits",
    "synthetic_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
