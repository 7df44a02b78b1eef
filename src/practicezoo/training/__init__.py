"""Training and measuring: any module, any iterable of (inputs, targets)."""

from practicezoo.batches import move_to
from practicezoo.metrics.accuracy import Accuracy
from practicezoo.metrics.confusion import confusion_matrix
from practicezoo.metrics.loss import loss_weight
from practicezoo.metrics.metric import Metric
from practicezoo.runtime.collectives import sum_over_ranks
from practicezoo.runtime.device import pick_device
from practicezoo.runtime.freezing import freeze, unfreeze
from practicezoo.runtime.processes import DistributedContext, distributed_context, is_main
from practicezoo.runtime.randomness import seed_everything
from practicezoo.training.callbacks.averaging import WeightAveraging
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.callbacks.csv_logger import CSVLogger
from practicezoo.training.callbacks.early_stopping import EarlyStopping
from practicezoo.training.callbacks.tensorboard import TensorBoardLogger
from practicezoo.training.checkpoints.checkpointer import Checkpointer
from practicezoo.training.checkpoints.file import load_checkpoint, save_checkpoint
from practicezoo.training.compare import compare_activations, compare_optimizers
from practicezoo.training.evaluation import evaluate
from practicezoo.training.fine_tuning import parameter_groups
from practicezoo.training.history import History
from practicezoo.training.interruption import TrainingInterrupted
from practicezoo.training.learning_rate import LearningRateCurve, find_learning_rate
from practicezoo.training.loop import fit, train_epoch
from practicezoo.training.prediction import predict
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run
from practicezoo.training.step import TrainStep

__all__ = [
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpointer",
    "DistributedContext",
    "EarlyStopping",
    "History",
    "LearningRateCurve",
    "Metric",
    "Run",
    "StepResult",
    "TensorBoardLogger",
    "TrainStep",
    "TrainingInterrupted",
    "WeightAveraging",
    "compare_activations",
    "compare_optimizers",
    "confusion_matrix",
    "distributed_context",
    "evaluate",
    "find_learning_rate",
    "fit",
    "freeze",
    "is_main",
    "load_checkpoint",
    "loss_weight",
    "move_to",
    "parameter_groups",
    "pick_device",
    "predict",
    "save_checkpoint",
    "seed_everything",
    "sum_over_ranks",
    "train_epoch",
    "unfreeze",
]
