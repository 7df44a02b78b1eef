"""Whole networks: from an input to logits or a prediction."""

from practicezoo.models.cnn import CNN
from practicezoo.models.course import diabetes_mlp, mnist_mlp  # registers the course's networks
from practicezoo.models.extraction import feature_maps
from practicezoo.models.families import (  # registers their names
    AuxiliaryLogits,
    DenseNet,
    GoogLeNet,
    InceptionV3,
    ResNet,
)
from practicezoo.models.fast import mnist_fast
from practicezoo.models.image import FeatureInfo, ImageClassifier
from practicezoo.models.inception import InceptionNet
from practicezoo.models.linear import LinearRegression, LogisticRegression
from practicezoo.models.mlp import MLP
from practicezoo.models.recurrent import CharGRUClassifier
from practicezoo.models.registry import create_model, list_models, register_model
from practicezoo.models.residual import ResidualNet, lecture_stage, notes_stage
from practicezoo.models.sequence import SequenceClassifier
from practicezoo.models.signals import SignalCNN, mnist1d_gru, mnist1d_mlp
from practicezoo.models.stepwise import StepwiseTagger
from practicezoo.models.summary import LayerSummary, ModelSummary, model_summary
from practicezoo.models.tagger import CharTagger
from practicezoo.models.temporal import TemporalConvNet
from practicezoo.models.tiny import mnist_tiny
from practicezoo.models.torchvision import KeyMap, to_torchvision

__all__ = [
    "CNN",
    "MLP",
    "AuxiliaryLogits",
    "CharGRUClassifier",
    "CharTagger",
    "DenseNet",
    "FeatureInfo",
    "GoogLeNet",
    "ImageClassifier",
    "InceptionNet",
    "InceptionV3",
    "KeyMap",
    "LayerSummary",
    "LinearRegression",
    "LogisticRegression",
    "ModelSummary",
    "ResNet",
    "ResidualNet",
    "SequenceClassifier",
    "SignalCNN",
    "StepwiseTagger",
    "TemporalConvNet",
    "create_model",
    "diabetes_mlp",
    "feature_maps",
    "lecture_stage",
    "list_models",
    "mnist1d_gru",
    "mnist1d_mlp",
    "mnist_fast",
    "mnist_mlp",
    "mnist_tiny",
    "model_summary",
    "notes_stage",
    "register_model",
    "to_torchvision",
]
