"""Models as graphs of torch's operators, for batches of any size and sequences of any length."""

import inspect
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.arguments import shorten
from practicezoo.batches import check_model, unwrap
from practicezoo.runtime.preserve import preserve_training_mode
from practicezoo.sequences import PaddedSequence

__all__ = ["Example", "cannot_export", "export_program", "quiet"]

Example: TypeAlias = Tensor | PaddedSequence | tuple[Tensor, ...]

# Of a sequence: convolutions index with 32 bits, and older versions of torch do not derive a bound from that.
MAX_STEPS = 2**20
LONGEST = 300  # characters of torch's reason in a message


def export_program(model: nn.Module, *, example: Example | None = None) -> torch.export.ExportedProgram:
    """Export a model, in evaluation mode, as a graph of torch's operators for batches of any size.

    A recurrent model is exported as ``(ids, lengths)``, for sequences of any length up to 2^20 steps too.
    What the graph computes of a sequence never depends on padding or on the others of its batch; lengths
    outside ``[1, T]`` and ids outside the table are an error when it runs. It holds one operator of this
    library, so a program that saved it loads after ``import practicezoo.blocks`` only.

    Args:
        model: any model whose code ``torch.export`` can follow; it stays as it is.
        example: inputs for it, with any batch size: a tensor, a PaddedSequence, or a tuple of several
            arguments; default: what its ``example_inputs()`` gives, which every model of this library has.

    Raises:
        TypeError: if ``model`` is no module, or ``example`` is none of these.
        ValueError: if there is no example, if it does not fit, or if the model cannot be exported.

    Example:
        >>> from practicezoo.models import CNN
        >>> model = CNN()
        >>> program = export_program(model)
        >>> images = torch.randn(5, 1, 28, 28)
        >>> torch.allclose(program.module()(images), model(images), atol=1e-6)
        True
    """
    model = unwrap(check_model(model))
    inputs = _read_example(model, example)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    # the lengths of a PaddedSequence stay on the CPU
    moved = (
        inputs.to(device) if isinstance(inputs, PaddedSequence) else tuple(each.to(device) for each in inputs)
    )
    arguments = _at_least_two(moved)
    samples, steps = torch.export.Dim("N", min=1), torch.export.Dim("T", min=1, max=MAX_STEPS)
    sizes: list[dict[int, Any]] = [{0: samples} for _ in arguments]
    module = model
    if isinstance(inputs, PaddedSequence):
        sizes[0][1] = steps
        module = model if _takes_lengths(model) else _Spread(model)
    with preserve_training_mode(model), torch.no_grad():
        model.eval()
        try:
            module(*arguments)
        except Exception as error:
            raise ValueError(f"example must fit {type(model).__name__}: {error}") from error
        try:
            with quiet():
                return torch.export.export(module, arguments, dynamic_shapes=tuple(sizes), strict=False)
        except Exception as error:  # noqa: BLE001 - the model's code raises anything
            raise cannot_export(model, error) from None


class _Spread(nn.Module):
    """A model of a PaddedSequence, called with its two tensors: of the whole, torch would fix N."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, data: Tensor, lengths: Tensor) -> tuple[Any, ...]:
        return tuple(_leaves(self.model(PaddedSequence(data, lengths))))


def _leaves(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, tuple):
        for part in outputs:
            yield from _leaves(part)
    else:
        yield outputs


def _read_example(model: nn.Module, example: Example | None) -> PaddedSequence | tuple[Tensor, ...]:
    """The example as the arguments of the graph, checked as far as the model itself does not."""
    name = type(model).__name__
    if example is None:
        if not hasattr(model, "example_inputs"):
            raise ValueError(f"example must be given for {name}, which has no example_inputs()")
        example = model.example_inputs()  # type: ignore[operator]
    inputs: Any = example[0] if type(example) is tuple and len(example) == 1 else example
    parts = inputs if isinstance(inputs, tuple) and inputs else (inputs,)
    if not all(isinstance(part, Tensor) for part in parts):
        raise TypeError(
            f"example must be a tensor, a PaddedSequence or a tuple of tensors, got {shorten(example)}"
        )
    rows = [part.shape[0] if part.ndim else 0 for part in parts]
    if 0 in rows or len(set(rows)) > 1:
        raise ValueError(
            "example must hold samples, as many in each argument, got "
            f"{', '.join(str(tuple(part.shape)) for part in parts)}"
        )
    if _takes_lengths(model) and not isinstance(inputs, PaddedSequence):
        every_step = torch.full(parts[0].shape[:1], parts[0].shape[:2][-1])
        inputs = PaddedSequence(*(*parts, every_step)[:2])
    if not isinstance(inputs, PaddedSequence):
        return tuple(parts)
    try:
        inputs.check()
    except (TypeError, ValueError) as error:
        raise ValueError(f"example must fit {name}: {error}") from None
    return inputs


def _at_least_two(inputs: PaddedSequence | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The arguments with two samples and steps at least: ``torch.export`` would fix a size of 1."""
    parts = list(inputs)
    if isinstance(inputs, PaddedSequence) and inputs.data.shape[1] == 1:
        parts[0] = torch.cat([inputs.data, torch.zeros_like(inputs.data)], dim=1)  # a step of padding
    return tuple(torch.cat([part, part]) if part.shape[0] == 1 else part for part in parts)


def _takes_lengths(model: nn.Module) -> bool:
    return "lengths" in inspect.signature(model.forward).parameters


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of torch's logs and printed graphs: what went wrong is in the error."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def cannot_export(model: nn.Module, error: BaseException) -> ValueError:
    """One line that names the innermost module in which the export failed."""
    names = {id(module): name for name, module in model.named_modules()}
    place = ""
    trace = error.__traceback__
    while trace is not None:
        place = names.get(id(trace.tb_frame.f_locals.get("self")), place)
        trace = trace.tb_next
    name = type(model).__name__
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    reason = " ".join(lines[:2])[:LONGEST]
    within = f"its module {place!r}" if place else "its code"
    return ValueError(
        f"model must be one that torch.export can follow, but {name} is not, in {within}: "
        f"{type(error).__name__}: {reason}"
    )
