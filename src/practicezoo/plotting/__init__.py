"""Figures; every function draws with matplotlib (the extra ``plot``) and returns the axes."""

from practicezoo.plotting.graph import draw_graph
from practicezoo.plotting.history import plot_histories, plot_history
from practicezoo.plotting.learning_rate import plot_learning_rate

__all__ = ["draw_graph", "plot_histories", "plot_history", "plot_learning_rate"]
