"""A small, exact PyTorch model zoo: building blocks, sequence tools and a training loop you can read."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The headline names and where they live. They are imported when they are first used (PEP 562).
_HOMES = {
    "BottleneckBlock": "blocks",
    "ConvNormAct": "blocks",
    "DenseBlock": "blocks",
    "InceptionA": "blocks",
    "InceptionB": "blocks",
    "InceptionC": "blocks",
    "InceptionD": "blocks",
    "InceptionE": "blocks",
    "InceptionV1": "blocks",
    "ResidualBlock": "blocks",
    "SequenceEncoder": "blocks",
    "SqueezeExcitation": "blocks",
    "TemporalConvBlock": "blocks",
    "Transition": "blocks",
    "CNN": "models",
    "MLP": "models",
    "CharGRUClassifier": "models",
    "CharTagger": "models",
    "DenseNet": "models",
    "GoogLeNet": "models",
    "ImageClassifier": "models",
    "InceptionNet": "models",
    "InceptionV3": "models",
    "LinearRegression": "models",
    "LogisticRegression": "models",
    "ResNet": "models",
    "ResidualNet": "models",
    "SequenceClassifier": "models",
    "TemporalConvNet": "models",
    "create_model": "models",
    "feature_maps": "models",
    "list_models": "models",
    "model_summary": "models",
    "CharVocab": "data",
    "DiabetesDataset": "data",
    "LengthBucketBatchSampler": "data",
    "NameDataset": "data",
    "TensorLoader": "data",
    "load_images": "data",
    "pack_collate": "data",
    "pad_collate": "data",
    "synthetic_digits": "data",
    "PaddedSequence": "sequences",
    "Accuracy": "metrics",
    "Callback": "training",
    "Checkpointer": "training",
    "EarlyStopping": "training",
    "History": "training",
    "TrainStep": "training",
    "evaluate": "training",
    "Prediction": "predictors",
    "Predictor": "predictors",
    "load": "predictors",
    "save": "predictors",
    "list_weights": "weights",
    "find_learning_rate": "training",
    "freeze": "training",
    "unfreeze": "training",
    "fit": "training",
    "load_checkpoint": "training",
    "pick_device": "training",
    "predict": "training",
    "save_checkpoint": "training",
    "seed_everything": "training",
    "train_epoch": "training",
    "check": "diagnostics",
    "export_onnx": "export",
    "export_program": "export",
}

_PARTS = {*_HOMES.values(), "graph", "metrics", "plotting", "recipes", "runtime"}

if TYPE_CHECKING:
    from practicezoo.blocks import (
        BottleneckBlock,
        ConvNormAct,
        DenseBlock,
        InceptionA,
        InceptionB,
        InceptionC,
        InceptionD,
        InceptionE,
        InceptionV1,
        ResidualBlock,
        SequenceEncoder,
        SqueezeExcitation,
        TemporalConvBlock,
        Transition,
    )
    from practicezoo.data import (
        CharVocab,
        DiabetesDataset,
        LengthBucketBatchSampler,
        NameDataset,
        TensorLoader,
        load_images,
        pack_collate,
        pad_collate,
        synthetic_digits,
    )
    from practicezoo.diagnostics import check
    from practicezoo.export import export_onnx, export_program
    from practicezoo.metrics import Accuracy
    from practicezoo.models import (
        CNN,
        MLP,
        CharGRUClassifier,
        CharTagger,
        DenseNet,
        GoogLeNet,
        ImageClassifier,
        InceptionNet,
        InceptionV3,
        LinearRegression,
        LogisticRegression,
        ResidualNet,
        ResNet,
        SequenceClassifier,
        TemporalConvNet,
        create_model,
        feature_maps,
        list_models,
        model_summary,
    )
    from practicezoo.predictors import Prediction, Predictor, load, save
    from practicezoo.sequences import PaddedSequence
    from practicezoo.training import (
        Callback,
        Checkpointer,
        EarlyStopping,
        History,
        TrainStep,
        evaluate,
        find_learning_rate,
        fit,
        freeze,
        load_checkpoint,
        pick_device,
        predict,
        save_checkpoint,
        seed_everything,
        train_epoch,
        unfreeze,
    )
    from practicezoo.weights import list_weights

__all__ = [
    "CNN",
    "MLP",
    "Accuracy",
    "BottleneckBlock",
    "Callback",
    "CharGRUClassifier",
    "CharTagger",
    "CharVocab",
    "Checkpointer",
    "ConvNormAct",
    "DenseBlock",
    "DenseNet",
    "DiabetesDataset",
    "EarlyStopping",
    "GoogLeNet",
    "History",
    "ImageClassifier",
    "InceptionA",
    "InceptionB",
    "InceptionC",
    "InceptionD",
    "InceptionE",
    "InceptionNet",
    "InceptionV1",
    "InceptionV3",
    "LengthBucketBatchSampler",
    "LinearRegression",
    "LogisticRegression",
    "NameDataset",
    "PaddedSequence",
    "Prediction",
    "Predictor",
    "ResNet",
    "ResidualBlock",
    "ResidualNet",
    "SequenceClassifier",
    "SequenceEncoder",
    "SqueezeExcitation",
    "TemporalConvBlock",
    "TemporalConvNet",
    "TensorLoader",
    "TrainStep",
    "Transition",
    "check",
    "create_model",
    "evaluate",
    "export_onnx",
    "export_program",
    "feature_maps",
    "find_learning_rate",
    "fit",
    "freeze",
    "list_models",
    "list_weights",
    "load",
    "load_checkpoint",
    "load_images",
    "model_summary",
    "pack_collate",
    "pad_collate",
    "pick_device",
    "predict",
    "save",
    "save_checkpoint",
    "seed_everything",
    "synthetic_digits",
    "train_epoch",
    "unfreeze",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        # with its module, so that Python can name what is near
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
