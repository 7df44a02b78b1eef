"""Models as graphs for other programs: ``torch.export`` and ONNX, with sequences of any length."""

from practicezoo.export.onnx_file import export_onnx
from practicezoo.export.program import export_program

__all__ = ["export_onnx", "export_program"]
