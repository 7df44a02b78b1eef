"""Mistakes between the outputs, the targets and the criterion."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from practicezoo.training._checks.notes import LossCall
from practicezoo.training._checks.trial import Trial
from practicezoo.training.check import Finding

__all__ = ["find_in_call", "find_in_criterion", "find_in_loss"]

# The last computation before the loss, by the name that autograd gives it.
_ACTIVATIONS = {
    "SoftmaxBackward0": "softmax",
    "LogSoftmaxBackward0": "log-softmax",
    "SigmoidBackward0": "sigmoid",
    "ReluBackward0": "relu",
}
# What only arranges values anew; the name of the class ends in "Backward" and a digit.
_ARRANGING = (
    *("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T", "Permute", "Clone"),
    *("Slice", "Select"),
)
_PRODUCTS = ("Addmm", "Mm", "Convolution", "Bmm", "Linear")
# What each criterion that takes logits makes of an activation before it.
MISFITS: Mapping[str, tuple[str, str]] = {
    "softmax-before-cross-entropy": (
        "the outputs have gone through a softmax, and CrossEntropyLoss applies another: no class gets sure",
        "remove the softmax: the model returns logits",
    ),
    "log-softmax-before-cross-entropy": (
        "the outputs have gone through a log-softmax, which CrossEntropyLoss applies itself",
        "remove the log-softmax, or keep it and take NLLLoss",
    ),
    "sigmoid-before-cross-entropy": (
        "the outputs have gone through a sigmoid, and CrossEntropyLoss takes logits: no class gets sure",
        "remove the sigmoid, or take BCELoss if a sample may have several classes",
    ),
    "relu-before-cross-entropy": (
        "the outputs have gone through a ReLU, and CrossEntropyLoss takes logits, of either sign",
        "remove the ReLU behind the last layer",
    ),
    "sigmoid-before-bce-with-logits": (
        "the outputs have gone through a sigmoid, and BCEWithLogitsLoss applies another: none gets below 0.5",
        "remove the sigmoid: the model returns logits",
    ),
    "softmax-before-bce-with-logits": (
        "the outputs have gone through a softmax, and BCEWithLogitsLoss adds a sigmoid: none gets below 0.5",
        "remove the softmax; take CrossEntropyLoss if each sample has one class",
    ),
    "relu-before-bce-with-logits": (
        "the outputs have gone through a ReLU, and BCEWithLogitsLoss takes logits: none gets below 0.5",
        "remove the ReLU behind the last layer",
    ),
}
_TOLERANCE = 1e-2  # probabilities may come in half precision
_CERTAIN = 1e-4  # four rows of anything else do not all sum to 1 so nearly
_NUM_CERTAIN = 4


def find_in_criterion(trial: Trial) -> Iterator[Finding]:
    """A criterion that has tensors on another device than the outputs."""
    if not isinstance(trial.criterion, nn.Module) or not isinstance(trial.outputs, Tensor):
        return
    for kind in (trial.criterion.named_parameters(), trial.criterion.named_buffers()):
        for name, tensor in kind:
            if tensor.device != trial.outputs.device:
                yield Finding(
                    "devices-differ",
                    f"the criterion's {name} is on {tensor.device}, the model's outputs are on "
                    f"{trial.outputs.device}",
                    f"move the criterion too: criterion.to({str(trial.outputs.device)!r})",
                )
                return


def find_in_call(call: LossCall, all_targets: Tensor | None) -> Iterator[Finding]:
    """What does not fit in one of torch's losses that the criterion computes."""
    if call.inputs.ndim == 0 or call.inputs.numel() == 0:
        return
    code = f"{_last_activation(call.inputs)}-before-{call.kind}"
    if code in MISFITS:
        yield Finding(code, *MISFITS[code])
    if call.kind in {"cross-entropy", "nll"}:
        yield from _in_classes(call, all_targets)
    if call.kind in {"nll", "kl"}:
        yield from _in_log_probabilities(call)
    if call.kind in {"bce", "bce-with-logits"}:
        yield from _in_binary(call)
    if call.kind == "difference" and call.inputs.shape != call.targets.shape:
        yield from _in_difference(call)


def _in_classes(call: LossCall, all_targets: Tensor | None) -> Iterator[Finding]:
    """Cross entropy and NLL: class indices, or a distribution over the classes."""
    inputs, targets = call.inputs, call.targets
    if inputs.ndim > 1 and call.num_classes == 1:
        yield Finding(
            "one-class-cross-entropy",
            f"the outputs have shape {_shape(inputs)}: over a single class, cross entropy is 0 whatever the "
            "targets are",
            "take BCEWithLogitsLoss for a yes-or-no target, or give the model an output for each class",
        )
    elif inputs.ndim > 1 and targets.shape[:1] != inputs.shape[:1]:
        yield _rows_differ(call)
    elif targets.is_floating_point():
        yield from _in_distributions(call)
    elif inputs.ndim > 1 and targets.shape == inputs.shape:
        yield Finding(
            "one-hot-targets",
            "the targets are one-hot integers, cross entropy takes class indices",
            "give the criterion targets.argmax(dim=1)",
        )
    elif inputs.ndim > 1 and targets.ndim == inputs.ndim and targets.shape[1] == 1:
        yield _shapes_differ(call, "cross entropy takes one class index a sample", "targets.squeeze(1)")
    elif inputs.ndim == 3 and targets.shape == inputs.shape[:2] != inputs.shape[::2]:  # noqa: PLR2004  # (N, T, C)
        yield _shapes_differ(call, "cross entropy takes the classes second", "outputs.transpose(1, 2)")
    elif targets.dtype not in {torch.int64, torch.uint8}:
        yield _type_differs(call, "cross entropy takes int64", "targets.long()")
    else:
        yield from _in_indices(call, all_targets)


def _in_distributions(call: LossCall) -> Iterator[Finding]:
    """Floating-point targets of cross entropy: a probability for each class."""
    if call.targets.shape != call.inputs.shape or call.kind == "nll":
        yield _type_differs(call, "cross entropy takes class indices", "targets.long()")
    elif not _are_probabilities(call.targets):
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
        fix += ": targets - 1"
    yield Finding(
        "target-out-of-range",
        f"class indices must lie in [0, {call.num_classes}), got targets from {lowest} to {highest}",
        fix,
    )


def _in_log_probabilities(call: LossCall) -> Iterator[Finding]:
    """NLL and Kullback-Leibler: logarithms of probabilities."""
    inputs = call.inputs.detach().float()
    dim = 1 if call.kind == "nll" and inputs.ndim > 1 else -1
    if inputs.shape[dim] < 2 or not inputs.isfinite().any():  # noqa: PLR2004
        return
    wrong = bool((inputs > _TOLERANCE).any())
    if call.kind == "nll":  # the divergence may be of whole images: what sums to 1 is not known
        wrong = wrong or bool((inputs.logsumexp(dim=dim).abs() > _TOLERANCE).any())
    if wrong:
        name = "NLLLoss" if call.kind == "nll" else "KLDivLoss"
        what = "probabilities" if _are_probabilities(inputs) else "no logarithms of probabilities"
        yield Finding(
            f"{call.kind}-needs-log-probabilities",
            f"{name} takes the logarithms of probabilities, and the outputs are {what}",
            "end the model with LogSoftmax(dim=1)"
            + (", or take CrossEntropyLoss" if call.kind == "nll" else ""),
        )


def _in_binary(call: LossCall) -> Iterator[Finding]:
    """Binary cross entropy: floating-point targets from 0 to 1, in the shape of the outputs."""
    inputs, targets = call.inputs.detach(), call.targets
    name = "BCELoss" if call.kind == "bce" else "BCEWithLogitsLoss"
    lowest, highest = float(inputs.min()), float(inputs.max())
    if call.kind == "bce" and (lowest < 0 or highest > 1 or _last_product(call.inputs)):
        yield Finding(
            "bce-needs-probabilities",
            f"BCELoss takes probabilities, and the outputs are logits ({lowest:.3g} to {highest:.3g} here)",
            "take BCEWithLogitsLoss (or end the model with a sigmoid)",
        )
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
            "code no as 0 and yes as 1",
        )


def _in_difference(call: LossCall) -> Iterator[Finding]:
    """Shapes that torch makes one by repeating values."""
    try:
        shape = torch.broadcast_shapes(call.inputs.shape, call.targets.shape)
    except RuntimeError:
        if call.inputs.shape[:1] != call.targets.shape[:1]:
            yield _rows_differ(call)
        return
    yield Finding(
        "silent-broadcast",
        f"the outputs have shape {_shape(call.inputs)}, the targets {_shape(call.targets)}: the "
        f"difference has shape {tuple(shape)}, each output against other samples' targets too",
        f"give the criterion {_reshape(call)}",
    )


def find_in_loss(trial: Trial) -> Iterator[Finding]:
    """A loss that is no scalar, no number, or has nothing to differentiate."""
    loss = trial.loss
    if isinstance(loss, Tensor) and loss.ndim > 0:
        yield Finding(
            "loss-not-scalar",
            f"the criterion returned a tensor of shape {_shape(loss)}, not one number",
            "take the mean: reduction='mean', or .mean() in a criterion of your own",
        )
    elif isinstance(loss, Tensor) and not loss.isfinite():
        yield Finding(
            "loss-not-finite",
            f"the loss is {loss.item()}",
            "look for a logarithm or a square root of 0, a division by 0, and values that are too large",
        )
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        what = (
            "the loss hangs on no parameter"
            if isinstance(loss, Tensor)
            else f"the loss is a {type(loss).__name__}"
        )
        if not trial.parameters():
            return
        yield Finding(
            "no-graph",
            f"{what}, so there is nothing to differentiate",
            "remove detach(), item(), argmax, numpy() or no_grad() between the parameters and the loss",
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
        f"give the criterion {fix}",
    )


def _type_differs(call: LossCall, rule: str, fix: str) -> Finding:
    kind = str(call.targets.dtype).removeprefix("torch.")
    return Finding("target-type", f"the targets are {kind}, and {rule}", f"convert them: {fix}")


def _reshape(call: LossCall) -> str:
    if call.inputs.numel() != call.targets.numel():
        return "outputs and targets of one shape"
    if call.inputs.ndim == call.targets.ndim + 1 and call.inputs.shape[-1] == 1:
        return "targets.unsqueeze(-1)"
    return "targets.view_as(outputs)"


def _last_activation(outputs: Tensor) -> str | None:
    """The activation that made the outputs; a softmax, however it was computed."""
    made_by_hand = len(outputs) >= _NUM_CERTAIN and _are_probabilities(outputs.detach(), tolerance=_CERTAIN)
    return _ACTIVATIONS.get(_last_computation(outputs), "softmax" if made_by_hand else None)


def _last_product(outputs: Tensor) -> bool:
    return _last_computation(outputs).startswith(_PRODUCTS)


def _last_computation(outputs: Tensor) -> str:
    """What made the values, by autograd's name: behind what only arranges them."""
    node: Any = outputs.grad_fn
    while node is not None and type(node).__name__.split("Backward")[0] in _ARRANGING:
        node = node.next_functions[0][0]
    return type(node).__name__


def _are_probabilities(values: Tensor, *, tolerance: float = _TOLERANCE) -> bool:
    """Whether each row has numbers from 0 to 1 that sum to 1."""
    if values.ndim < 2:  # noqa: PLR2004
        return False
    return bool((values >= 0).all() and ((values.sum(dim=1) - 1).abs() < tolerance).all())


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
