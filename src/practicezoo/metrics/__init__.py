"""What is measured over items: losses, accuracy, confusion matrices."""

from practicezoo.metrics.accuracy import Accuracy
from practicezoo.metrics.confusion import confusion_matrix
from practicezoo.metrics.loss import loss_weight
from practicezoo.metrics.metric import Metric

__all__ = ["Accuracy", "Metric", "confusion_matrix", "loss_weight"]
