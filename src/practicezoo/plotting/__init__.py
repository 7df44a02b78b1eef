"""Figures; every function draws with matplotlib (the extra ``plot``) and returns the axes."""

from practicezoo.plotting.history import plot_history

__all__ = ["plot_history"]
