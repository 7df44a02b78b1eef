"""Whole networks: from an input to logits or a prediction."""

from practicezoo.models.cnn import CNN
from practicezoo.models.image import ImageClassifier
from practicezoo.models.inception import InceptionNet
from practicezoo.models.mlp import MLP
from practicezoo.models.recurrent import CharGRUClassifier
from practicezoo.models.residual import ResidualNet, lecture_stage, notes_stage

__all__ = [
    "CNN",
    "MLP",
    "CharGRUClassifier",
    "ImageClassifier",
    "InceptionNet",
    "ResidualNet",
    "lecture_stage",
    "notes_stage",
]
