"""Whole networks: from an input to logits or a prediction."""

from practicezoo.models.recurrent import CharGRUClassifier

__all__ = ["CharGRUClassifier"]
