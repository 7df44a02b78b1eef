"""Targets that do not fit one of torch's losses, or its outputs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.misfits import are_probabilities
from practicezoo.diagnostics.recorder import LossCall

__all__ = ["find_ignored_class", "find_in_call"]


def find_in_call(call: LossCall, all_targets: Tensor | None) -> Iterator[Finding]:
    """What does not fit in one of torch's losses that the criterion computes."""
    if call.kind in {"cross-entropy", "nll"}:
        yield from _in_classes(call, all_targets)
    if call.kind in {"bce", "bce-with-logits"}:
        yield from _in_binary(call)
    if call.kind in {"difference", "poisson"} and call.inputs.shape != call.targets.shape:
        yield from _in_difference(call)


def find_ignored_class(call: LossCall, targets: Tensor) -> Iterator[Finding]:
    """A class of the data that the criterion leaves out, where each sample has one target."""
    ignored = call.ignore_index
    is_of_samples = call.targets is targets and targets.ndim == 1 and call.inputs.ndim == 2
    if call.kind not in {"cross-entropy", "nll"} or not is_of_samples or not 0 <= ignored < call.num_classes:
        return
    count = int((targets == ignored).sum())
    if count:
        yield Finding(
            "class-ignored",
            f"{count} of the batch's {len(targets)} samples are of class {ignored}, which the criterion's "
            "ignore_index leaves out: the model never learns it, and the loss does not tell",
            "leave ignore_index out; it is for targets that are no class, such as padding",
        )


def _in_classes(call: LossCall, all_targets: Tensor | None) -> Iterator[Finding]:
    """Cross entropy and NLL: class indices, or a distribution over the classes."""
    inputs, targets = call.inputs, call.targets
    if inputs.ndim > 1 and call.num_classes == 1:
        yield Finding(
            "one-class-cross-entropy",
            f"the outputs have shape {_shape(inputs)}: over a single class, cross entropy is 0 whatever the "
            "targets are",
            "take BCEWithLogitsLoss for a binary target, or give the model an output for each class",
        )
    elif inputs.ndim > 1 and targets.shape[:1] != inputs.shape[:1]:
        yield _rows_differ(call)
    elif targets.is_floating_point():
        yield from _in_distributions(call)
    elif inputs.ndim > 1 and targets.shape == inputs.shape:
        yield Finding(
            "one-hot-targets",
            "the targets are one-hot integers, cross entropy takes class indices",
            "let the data set give class indices: targets.argmax(dim=1)",
        )
    elif inputs.ndim > 1 and targets.ndim == inputs.ndim and targets.shape[1] == 1:
        yield _shapes_differ(
            call, "cross entropy takes one class index a sample", "let the data set give targets.squeeze(1)"
        )
    elif inputs.ndim == 3 and targets.shape == inputs.shape[:2] != inputs.shape[::2]:  # (N, T, C)
        yield _shapes_differ(
            call, "cross entropy takes the classes second", "let forward return outputs.transpose(1, 2)"
        )
    elif targets.dtype not in {torch.int64, torch.uint8}:
        yield _type_differs(call, "cross entropy takes int64", "targets.long()")
    else:
        yield from _in_indices(call, all_targets)


def _in_distributions(call: LossCall) -> Iterator[Finding]:
    """Floating-point targets of cross entropy: a probability for each class."""
    if call.targets.shape != call.inputs.shape or call.kind == "nll":
        yield _type_differs(call, "cross entropy takes class indices", "targets.long()")
    elif not are_probabilities(call.targets):
        yield Finding(
            "target-not-probabilities",
            "the targets have a number for each class that do not sum to 1 in each row, as cross "
            "entropy's probabilities do",
            "take BCEWithLogitsLoss if a sample may have several classes, else class indices",
        )


def _in_indices(call: LossCall, all_targets: Tensor | None) -> Iterator[Finding]:
    """Class indices beyond the outputs: of the batch, and of all targets if they are at hand."""
    if all_targets is not None and all_targets.shape[1:] == call.targets.shape[1:]:
        call = call._replace(targets=all_targets)
    if not call.wrong_targets().numel():
        return
    counted = call.targets[call.targets != call.ignore_index]
    lowest, highest = int(counted.min()), int(counted.max())
    if lowest == 0:
        yield Finding(
            "too-few-outputs",
            f"the targets are class indices up to {highest}, the model has {call.num_classes} outputs",
            f"give the model {highest + 1} outputs",
        )
        return
    fix = "number the classes from 0"
    if (lowest, highest) == (1, call.num_classes):
        fix += ": let the data set give targets - 1"
    yield Finding(
        "target-out-of-range",
        f"class indices must lie in [0, {call.num_classes}), got targets from {lowest} to {highest}",
        fix,
    )


def _in_binary(call: LossCall) -> Iterator[Finding]:
    """Binary cross entropy: floating-point targets from 0 to 1, in the shape of the outputs."""
    inputs, targets = call.inputs, call.targets
    name = "BCELoss" if call.kind == "bce" else "BCEWithLogitsLoss"
    if inputs.shape != targets.shape:
        if targets.shape[:1] != inputs.shape[:1]:
            yield _rows_differ(call)
        elif inputs.numel() == targets.numel():
            yield _shapes_differ(call, f"{name} takes them in one shape", _reshape(call))
    if not targets.is_floating_point():
        yield _type_differs(call, f"{name} takes floating-point numbers", "targets.float()")
    elif targets.isfinite().all() and targets.numel() and (targets.min() < 0 or targets.max() > 1):
        yield Finding(
            "target-out-of-range",
            f"{name}'s targets must lie between 0 and 1, got {float(targets.min()):g} to "
            f"{float(targets.max()):g}",
            "encode negatives as 0 and positives as 1",
        )


def _in_difference(call: LossCall) -> Iterator[Finding]:
    """Shapes that torch makes one by repeating values.

    A difference by hand may repeat one side on purpose, such as a target for each of several quantiles; with
    both sides repeated, samples meet others.
    """
    try:
        shape = torch.broadcast_shapes(call.inputs.shape, call.targets.shape)
    except RuntimeError:
        if call.inputs.shape[:1] != call.targets.shape[:1]:
            yield _rows_differ(call)
        return
    sizes = call.inputs.numel(), call.targets.numel()
    is_crossed = shape.numel() > max(sizes)
    if call.by_hand and not is_crossed:
        return
    what = "each target against several outputs"
    if is_crossed:
        what = "each output against other samples' targets too"
    elif sizes[0] < sizes[1]:
        what = "each output against several targets"
    yield Finding(
        "silent-broadcast",
        f"the outputs have shape {_shape(call.inputs)}, the targets {_shape(call.targets)}: the "
        f"{'loss' if call.kind == 'poisson' else 'difference'} has shape {tuple(shape)}, {what}",
        _reshape(call),
    )


def _rows_differ(call: LossCall) -> Finding:
    return Finding(
        "batch-size-differs",
        f"the outputs have {len(call.inputs)} rows (shape {_shape(call.inputs)}), the targets "
        f"{len(call.targets)}: the model has made other samples of the batch",
        "keep the first dimension: flatten(1) instead of view(-1, n), batch_first=True in recurrent layers",
    )


def _shapes_differ(call: LossCall, rule: str, fix: str) -> Finding:
    return Finding(
        "target-shape",
        f"the outputs have shape {_shape(call.inputs)}, the targets {_shape(call.targets)}, and {rule}",
        fix,
    )


def _type_differs(call: LossCall, rule: str, fix: str) -> Finding:
    kind = str(call.targets.dtype).removeprefix("torch.")
    return Finding("target-type", f"the targets are {kind}, and {rule}", f"let the data set give {fix}")


def _reshape(call: LossCall) -> str:
    shape = "".join(f", {size}" for size in call.inputs.shape[1:]) or ","
    if call.inputs.numel() != call.targets.numel():
        return "give the model an output for each target, or let the data set give a target for each output"
    if call.inputs.ndim == call.targets.ndim + 1 and call.inputs.shape[-1] == 1:
        return "let the data set give targets.unsqueeze(-1), or forward return outputs.squeeze(-1)"
    return f"let the data set give targets of shape (N{shape})"


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
