"""ONNX files of models: torch's exporter, and what it lacks for recurrent layers with lengths."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.arguments import shorten
from practicezoo.export.program import Example, cannot_export, export_program, quiet
from practicezoo.runtime.files import write_whole

__all__ = ["export_onnx"]

INT32 = 6  # in ONNX's list of types
# where ONNX's gates stand among torch's: GRU r z n -> z r h, LSTM i f g o -> i o f c
GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}


def export_onnx(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    example: Example | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model as an ONNX file for batches of any size; needs the extra ``onnx``.

    As :func:`export_program` says, with ONNX's own recurrent operators. The inputs have the names of the
    arguments of the model's ``forward``, the one output is called ``outputs``. Weights are in the file.

    Args:
        model: as in :func:`export_program`.
        path: where the file is written, whole or not at all.
        example: as in :func:`export_program`.
        metadata: texts that the file carries along, by name, such as the classes.

    Raises:
        TypeError: as in :func:`export_program`, or if ``metadata`` are not texts.
        ValueError: as in :func:`export_program`, or if ``path`` is a folder or cannot be written.
        ModuleNotFoundError: if the extra is missing.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"path must be a file in a folder that exists, got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"path must be in a folder that can be written, got {str(path)!r}")
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata must be texts by name, got {shorten(value)} for {key!r}")
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('export_onnx needs onnx: pip install "practicezoo[onnx]"') from error
    program = export_program(model, example=example)
    if torch.__version__.startswith("2.6."):
        program = _without_norms(program)
    operators: dict[Any, Any] = {}
    if hasattr(torch.ops.practicezoo, "recurrent"):  # practicezoo.blocks was imported
        operators[torch.ops.practicezoo.recurrent.default] = _translate_recurrent
    num_outputs = len(program.graph_signature.user_outputs)
    names = ["outputs"] if num_outputs == 1 else [f"outputs_{place}" for place in range(num_outputs)]
    try:
        with quiet():
            exported: Any = torch.onnx.export(
                program, dynamo=True, verbose=False, output_names=names, custom_translation_table=operators
            )
    except Exception as error:  # noqa: BLE001 - torch's own kinds differ from version to version
        raise cannot_export(model, error) from None
    proto = exported.model_proto
    _name_sizes(proto)
    _drop_traces(proto)
    onnx.helper.set_model_props(proto, dict(metadata or {}))
    with write_whole(path) as file:
        file.write(proto.SerializeToString())


def _without_norms(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program with batch norms as products and sums: torch 2.6 cannot read the current translation."""
    norm = torch.ops.aten._native_batch_norm_legit_no_training.default  # noqa: SLF001
    return program.run_decompositions({norm: _normalize})


def _normalize(
    inputs: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, *settings: float
) -> tuple[Tensor, Tensor, Tensor]:
    shape = (1, -1, *[1] * (inputs.ndim - 2))
    outputs = (inputs - mean.view(shape)) * (var + settings[-1]).rsqrt().view(shape)
    if weight is not None and bias is not None:
        outputs = outputs * weight.view(shape) + bias.view(shape)
    return outputs, mean.new_empty(0), var.new_empty(0)


def _name_sizes(proto: Any) -> None:
    """Call the sizes that may vary N and T in an ONNX graph, instead of torch's symbols."""
    first = proto.graph.input[0].type.tensor_type.shape.dim
    names = {size.dim_param: name for size, name in zip(first, "NT", strict=False) if size.dim_param}
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in names:
                size.dim_param = names[size.dim_param]


def _drop_traces(proto: Any) -> None:
    """Remove what torch notes of the code at each node: stack traces with the paths of this machine."""
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        part.ClearField("metadata_props")


def _translate_recurrent(
    inputs: Any, lengths: Any, weights: Sequence[Any], *, cell: str, bidirectional: bool
) -> tuple[Any, Any]:
    """``practicezoo::recurrent`` in ONNX's own operators, which stop at each sequence's length."""
    import onnxscript

    op: Any = onnxscript.opset18
    num_directions = 1 + bidirectional
    hidden_size = weights[1].shape[1]
    rows = [gate * hidden_size + row for gate in GATES[cell] for row in range(hidden_size)]
    settings = {"linear_before_reset": 1} if cell == "gru" else {}
    layer = {"rnn": op.RNN, "gru": op.GRU, "lstm": op.LSTM}[cell]

    def joined(parts: Sequence[Any]) -> Any:  # one entry for each direction
        first = op.Constant(value_ints=[0])
        return op.Concat(*(op.Unsqueeze(part, first) for part in parts), axis=0)

    # a length of 0 becomes -1, which is refused: ONNX would give zeros for it
    too_short = op.Cast(op.Less(lengths, op.Constant(value_ints=[1])), to=INT32)
    lengths = op.Sub(op.Cast(lengths, to=INT32), too_short)
    weights = [op.Gather(weight, op.Constant(value_ints=rows), axis=0) for weight in weights]
    steps = op.Transpose(inputs, perm=[1, 0, 2])  # (T, N, input_size)
    for start in range(0, len(weights), 4 * num_directions):
        own = weights[start : start + 4 * num_directions]
        outputs, states, *_ = layer(
            steps,
            joined(own[0::4]),
            joined(own[1::4]),
            joined([op.Concat(*biases, axis=0) for biases in zip(own[2::4], own[3::4], strict=True)]),
            lengths,
            hidden_size=hidden_size,
            direction="bidirectional" if bidirectional else "forward",
            **settings,
        )
        by_step = op.Transpose(outputs, perm=[0, 2, 1, 3])  # (T, N, D, hidden_size)
        steps = op.Reshape(by_step, op.Constant(value_ints=[0, 0, num_directions * hidden_size]))
    final_state = op.Transpose(states, perm=[1, 0, 2])  # (N, D, hidden_size)
    return (
        op.Transpose(steps, perm=[1, 0, 2]),
        op.Reshape(final_state, op.Constant(value_ints=[0, num_directions * hidden_size])),
    )
