"""Exporting a trained network on the command line: export."""

import argparse
import io
import json
from pathlib import Path
from typing import Any

import torch

from practicezoo.command_line.options import Options, add_command, trained_predictor
from practicezoo.export import export_onnx, export_program
from practicezoo.predictors import ImageInput, Predictor
from practicezoo.runtime.files import check_no_folder, write_whole

__all__ = ["add_export_command"]

FORMATS = ("onnx", "program")
METADATA = "metadata.json"


def add_export_command(commands: Any, options: Options) -> None:
    """Declare ``export``."""
    added = add_command(commands, _export, "write a trained network for other programs", options.trained)
    added.add_argument(
        "--format", choices=FORMATS, default="onnx", help="default: onnx (needs the extra onnx)"
    )
    added.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write")


def _export(options: argparse.Namespace) -> None:
    predictor = trained_predictor(options, device="cpu")
    example, metadata = _example(predictor), _metadata(predictor)
    if options.format == "onnx":
        try:
            export_onnx(predictor.model, options.out, example=example, metadata=metadata)
        except ModuleNotFoundError as error:
            raise ValueError(str(error)) from error
    else:
        check_no_folder(options.out)
        program = io.BytesIO()
        exported = export_program(predictor.model, example=example)
        torch.export.save(exported, program, extra_files={METADATA: json.dumps(metadata)})
        with write_whole(options.out) as file:
            file.write(program.getvalue())
    print(f"wrote {options.out}")


def _example(predictor: Predictor) -> torch.Tensor | None:
    """Images where the network reads pictures: one of fully connected layers does not know their shape."""
    read = predictor.preprocess
    return torch.zeros(2, read.channels, read.size, read.size) if isinstance(read, ImageInput) else None


def _metadata(predictor: Predictor) -> dict[str, str]:
    """What a program needs beside the network, as JSON by name."""
    return {
        "classes": json.dumps(predictor.classes, ensure_ascii=False),
        "preprocessing": json.dumps(predictor.preprocess.as_dict(), ensure_ascii=False),
        "temperature": json.dumps(predictor.temperature),
    }
