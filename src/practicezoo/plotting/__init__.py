"""Figures; every function draws with matplotlib (the extra ``plot``) and returns the axes."""

from practicezoo.plotting.block import draw_block
from practicezoo.plotting.confusion import plot_confusion_matrix
from practicezoo.plotting.graph import draw_graph
from practicezoo.plotting.history import plot_histories, plot_history
from practicezoo.plotting.learning_rate import plot_learning_rate
from practicezoo.plotting.reliability import plot_reliability
from practicezoo.plotting.samples import plot_most_wrong

__all__ = [
    "draw_block",
    "draw_graph",
    "plot_confusion_matrix",
    "plot_histories",
    "plot_history",
    "plot_learning_rate",
    "plot_most_wrong",
    "plot_reliability",
]
