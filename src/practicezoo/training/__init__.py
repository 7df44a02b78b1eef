"""Training and measuring: any module, any iterable of (inputs, targets)."""

from practicezoo.training.callbacks import Callback, EarlyStopping, Run
from practicezoo.training.check import Finding, check
from practicezoo.training.checkpoint import load_checkpoint, save_checkpoint
from practicezoo.training.compare import compare_activations, compare_optimizers
from practicezoo.training.device import move_to, pick_device, seed_everything
from practicezoo.training.distributed import (
    DistributedContext,
    distributed_context,
    is_main,
    sum_over_ranks,
)
from practicezoo.training.evaluation import evaluate, predict
from practicezoo.training.history import History
from practicezoo.training.loop import fit, train_epoch
from practicezoo.training.metrics import Accuracy, Metric
from practicezoo.training.step import StepResult, TrainStep
from practicezoo.training.weighing import loss_weight

__all__ = [
    "Accuracy",
    "Callback",
    "DistributedContext",
    "EarlyStopping",
    "Finding",
    "History",
    "Metric",
    "Run",
    "StepResult",
    "TrainStep",
    "check",
    "compare_activations",
    "compare_optimizers",
    "distributed_context",
    "evaluate",
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
