"""Figures; every function draws with matplotlib (the extra ``plot``) and returns the axes."""

from practicezoo.plotting.graph import draw_graph
from practicezoo.plotting.history import plot_histories, plot_history

__all__ = ["draw_graph", "plot_histories", "plot_history"]
