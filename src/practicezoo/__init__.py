"""A small, exact PyTorch model zoo: building blocks, sequence tools and a training loop you can read."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The headline names and where they live. They are imported when they are first used (PEP 562).
_HOMES = {
    "ConvNormAct": "blocks",
    "DenseBlock": "blocks",
    "InceptionA": "blocks",
    "ResidualBlock": "blocks",
    "SequenceEncoder": "blocks",
    "Transition": "blocks",
    "CNN": "models",
    "CharGRUClassifier": "models",
    "CharTagger": "models",
    "InceptionNet": "models",
    "LinearRegression": "models",
    "LogisticRegression": "models",
    "MLP": "models",
    "ResidualNet": "models",
    "create_model": "models",
    "list_models": "models",
    "model_summary": "models",
    "CharVocab": "data",
    "DiabetesDataset": "data",
    "LengthBucketBatchSampler": "data",
    "NameDataset": "data",
    "TensorLoader": "data",
    "pack_collate": "data",
    "pad_collate": "data",
    "PaddedSequence": "sequences",
    "Accuracy": "training",
    "Checkpointer": "training",
    "EarlyStopping": "training",
    "History": "training",
    "TrainStep": "training",
    "check": "training",
    "evaluate": "training",
    "fit": "training",
    "pick_device": "training",
    "predict": "training",
    "seed_everything": "training",
    "train_epoch": "training",
}

_PARTS = {*_HOMES.values(), "graph", "recipes", "plotting"}

if TYPE_CHECKING:
    from practicezoo.blocks import (
        ConvNormAct,
        DenseBlock,
        InceptionA,
        ResidualBlock,
        SequenceEncoder,
        Transition,
    )
    from practicezoo.data import (
        CharVocab,
        DiabetesDataset,
        LengthBucketBatchSampler,
        NameDataset,
        TensorLoader,
        pack_collate,
        pad_collate,
    )
    from practicezoo.models import (
        CNN,
        MLP,
        CharGRUClassifier,
        CharTagger,
        InceptionNet,
        LinearRegression,
        LogisticRegression,
        ResidualNet,
        create_model,
        list_models,
        model_summary,
    )
    from practicezoo.sequences import PaddedSequence
    from practicezoo.training import (
        Accuracy,
        Checkpointer,
        EarlyStopping,
        History,
        TrainStep,
        check,
        evaluate,
        fit,
        pick_device,
        predict,
        seed_everything,
        train_epoch,
    )

__all__ = [
    "CNN",
    "MLP",
    "Accuracy",
    "CharGRUClassifier",
    "CharTagger",
    "CharVocab",
    "Checkpointer",
    "ConvNormAct",
    "DenseBlock",
    "DiabetesDataset",
    "EarlyStopping",
    "History",
    "InceptionA",
    "InceptionNet",
    "LengthBucketBatchSampler",
    "LinearRegression",
    "LogisticRegression",
    "NameDataset",
    "PaddedSequence",
    "ResidualBlock",
    "ResidualNet",
    "SequenceEncoder",
    "TensorLoader",
    "TrainStep",
    "Transition",
    "check",
    "create_model",
    "evaluate",
    "fit",
    "list_models",
    "model_summary",
    "pack_collate",
    "pad_collate",
    "pick_device",
    "predict",
    "seed_everything",
    "train_epoch",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
