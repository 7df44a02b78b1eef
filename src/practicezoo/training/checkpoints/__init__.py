"""Checkpoints: the state of a run in files, and resuming from them."""

from practicezoo.training.checkpoints.checkpointer import Checkpointer
from practicezoo.training.checkpoints.file import load_checkpoint, save_checkpoint

__all__ = ["Checkpointer", "load_checkpoint", "save_checkpoint"]
