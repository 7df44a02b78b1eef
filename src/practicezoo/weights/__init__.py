"""Trained weights that come in the wheel: records, and bytes that are verified before they are used."""

from practicezoo.weights.records import Weights, list_weights

__all__ = ["Weights", "list_weights"]
