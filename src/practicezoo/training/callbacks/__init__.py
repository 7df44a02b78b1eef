"""Callbacks: what watches a run, and what it writes down."""

from practicezoo.training.callbacks.averaging import WeightAveraging
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.callbacks.csv_logger import CSVLogger
from practicezoo.training.callbacks.early_stopping import EarlyStopping
from practicezoo.training.callbacks.tensorboard import TensorBoardLogger

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "TensorBoardLogger", "WeightAveraging"]
