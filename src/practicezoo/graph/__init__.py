"""Computational graphs: what autograd recorded behind a result, with local derivatives on the edges."""

from practicezoo.graph.paths import gradient_by_paths
from practicezoo.graph.trace import trace

__all__ = ["gradient_by_paths", "trace"]
