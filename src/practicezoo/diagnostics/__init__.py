"""The pre-flight check of a training program, before hours are spent on it."""

from practicezoo.diagnostics.check import check
from practicezoo.diagnostics.finding import Finding

__all__ = ["Finding", "check"]
