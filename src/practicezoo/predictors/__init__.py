"""Predictors: a trained network with its preprocessing and classes, saved, loaded and asked."""

from practicezoo.predictors.images import ImageInput
from practicezoo.predictors.inputs import LetterInput, RowInput, TensorInput, TextInput
from practicezoo.predictors.loading import load
from practicezoo.predictors.prediction import Prediction
from practicezoo.predictors.predictor import Predictor
from practicezoo.predictors.saving import save
from practicezoo.predictors.signals import SignalInput

__all__ = [
    "ImageInput",
    "LetterInput",
    "Prediction",
    "Predictor",
    "RowInput",
    "SignalInput",
    "TensorInput",
    "TextInput",
    "load",
    "save",
]
