"""Training and measuring: any module, any iterable of (inputs, targets)."""

from practicezoo.training.averaging import WeightAveraging
from practicezoo.training.callbacks import Callback, EarlyStopping
from practicezoo.training.check import Finding, check
from practicezoo.training.checkpoint import load_checkpoint, save_checkpoint
from practicezoo.training.checkpointer import Checkpointer
from practicezoo.training.compare import compare_activations, compare_optimizers
from practicezoo.training.confusion import confusion_matrix
from practicezoo.training.device import move_to, pick_device, seed_everything
from practicezoo.training.distributed import (
    DistributedContext,
    distributed_context,
    is_main,
    sum_over_ranks,
)
from practicezoo.training.evaluation import evaluate, predict
from practicezoo.training.history import History
from practicezoo.training.learning_rate import LearningRateCurve, find_learning_rate
from practicezoo.training.loggers import CSVLogger, TensorBoardLogger
from practicezoo.training.loop import fit, train_epoch
from practicezoo.training.metrics import Accuracy, Metric
from practicezoo.training.run import Run
from practicezoo.training.step import StepResult, TrainStep
from practicezoo.training.weighing import loss_weight

__all__ = [
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpointer",
    "DistributedContext",
    "EarlyStopping",
    "Finding",
    "History",
    "LearningRateCurve",
    "Metric",
    "Run",
    "StepResult",
    "TensorBoardLogger",
    "TrainStep",
    "WeightAveraging",
    "check",
    "compare_activations",
    "compare_optimizers",
    "confusion_matrix",
    "distributed_context",
    "evaluate",
    "find_learning_rate",
    "fit",
    "is_main",
    "load_checkpoint",
    "loss_weight",
    "move_to",
    "pick_device",
    "predict",
    "save_checkpoint",
    "seed_everything",
    "sum_over_ranks",
    "train_epoch",
]
