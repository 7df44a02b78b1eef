"""Targets that the outputs cannot reach, whatever the weights are."""

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.misfits import last_computation
from practicezoo.diagnostics.recorder import LossCall

__all__ = ["find_out_of_reach"]

# A few targets just beyond the range, as noise leaves them, are no mistake: what no output can reach must be
# a tenth of the targets' variance.
UNREACHED = 0.1
# A binary classifier must be able to reach beyond what stands between its classes, by a little.
BETWEEN = {"bce": (0.45, 0.55), "bce-with-logits": (-0.2, 0.2)}
FAR = 1e4  # times the largest target: any bend of an activation lies within
# By autograd's names: what only combines values, and what bounds them.
COMBINING = ("Mul", "Add", "Sub", "Rsub", "Div", "Neg", "Cat", "Stack")
ACTIVATIONS = {
    *("sigmoid", "hardsigmoid", "logsigmoid", "tanh", "hardtanh", "softmax", "logsoftmax"),
    *("relu", "softplus", "silu", "gelu", "elu", "clamp", "clampmin", "clampmax", "exp"),
}
PRODUCTS = {
    *("linear", "bilinear", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
}


def find_out_of_reach(dry_run: DryRun) -> Iterator[Finding]:
    """Outputs with a range in which a regression's targets do not lie, or which is that of one class."""
    targets = dry_run.targets
    for index, call in enumerate(dry_run.loss_calls):
        if call.targets is not targets or call.inputs.shape != targets.shape:
            continue
        if call.kind == "difference":
            lowest, highest = _reached(dry_run, index, float(targets.min()), float(targets.max()))
            missing = (targets.double() - targets.double().clamp(lowest, highest)).square()
            if float(missing.mean()) > UNREACHED * float(targets.double().var(correction=0)):
                made_by, fix = _advice(dry_run, call)
                yield _of_targets(targets, missing, _bounds(lowest, highest), made_by, fix)
        elif call.kind in BETWEEN:
            lowest, highest = _reached(dry_run, index, *BETWEEN[call.kind])
            missed = (targets < 0.5) & math.isfinite(lowest) | (targets > 0.5) & math.isfinite(highest)
            if bool(missed.any()):
                yield _of_classes(targets, missed, _bounds(lowest, highest))


def _advice(dry_run: DryRun, call: LossCall) -> tuple[str, str]:
    """What bounds the outputs, and what to do about it."""
    modules = {f"layer {name!r}": module for name, module in dry_run.model.named_modules()}
    last = dry_run.layers[-1].where if dry_run.layers else ""
    if isinstance(modules.get(last), nn.RNNBase):
        return f"they are the state of {last}", f"put a linear layer behind {last}"
    name = last_computation(call.inputs, through=COMBINING).split("Backward")[0].lower()
    if name in ACTIVATIONS:
        return f"they are computed by {name}", f"remove the {name} behind the last layer"
    return "they do not end in a linear layer", "end the model in a linear layer"


def _bounds(lowest: float, highest: float) -> str:
    bounds = {
        (True, False): f"never fall below {lowest:.4g}",
        (False, True): f"never rise above {highest:.4g}",
        (True, True): f"lie between {lowest:.4g} and {highest:.4g}",
    }
    return bounds[math.isfinite(lowest), math.isfinite(highest)]


def _of_classes(targets: Tensor, missed: Tensor, bound: str) -> Finding:
    label = float(targets[missed].flatten()[0])
    return Finding(
        "output-out-of-reach",
        f"whatever the weights are, the outputs {bound}: no sample is given to class {label:g}, which "
        f"{int(missed.sum())} of the batch's {missed.numel()} targets are",
        "let the last layer be linear: no ReLU or other activation between it and the sigmoid",
    )


def _of_targets(targets: Tensor, missing: Tensor, bound: str, made_by: str, fix: str) -> Finding:
    return Finding(
        "output-out-of-reach",
        f"whatever the weights are, the outputs {bound} ({made_by}), and "
        f"{int((missing > 0).sum())} of the batch's {targets.numel()} targets do not: they reach from "
        f"{float(targets.min()):.4g} to {float(targets.max()):.4g}",
        f"{fix}, or scale the targets into the range of the outputs",
    )


def _reached(dry_run: DryRun, index: int, low: float, high: float) -> tuple[float, float]:
    """The lowest and the highest outputs, infinite on the side where they go beyond ``low`` or ``high``.

    What linear layers and convolutions compute, and all trained parameters, are replaced by random numbers of
    either sign and of both, small and very large. What the outputs still do not reach, no training will.
    """
    scale = FAR * max(1.0, abs(low), abs(high))
    lowest, highest = math.inf, -math.inf
    for seed, (size, sign) in enumerate(product((scale, 10.0, 1.0), (0, 1, -1))):
        values = _with_any_weights(dry_run, index, _numbers(size, sign), seed)
        if values is None or bool(values.isnan().any()):
            return -math.inf, math.inf
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        if lowest <= low and highest >= high:
            break
    return (-math.inf if lowest <= low else lowest), (math.inf if highest >= high else highest)


def _numbers(size: float, sign: int) -> Callable[[Tensor], Tensor]:
    """Random numbers of up to ``size`` in the shape of a tensor; a sign of 0 stands for both."""

    def like(tensor: Tensor) -> Tensor:
        numbers = torch.empty_like(tensor, dtype=torch.float32).uniform_(size / 10, size)
        signs = sign or torch.randint_like(numbers, 2) * 2 - 1
        return (numbers * signs).to(tensor.dtype)

    return like


class _Replaced(TorchFunctionMode):
    """Gives other numbers for what linear layers and convolutions compute."""

    def __init__(self, numbers: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.numbers = numbers

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return self.numbers(result) if getattr(func, "__name__", "") in PRODUCTS else result


def _with_any_weights(
    dry_run: DryRun, index: int, numbers: Callable[[Tensor], Tensor], seed: int
) -> Tensor | None:
    """What the loss compares with the targets, in evaluation mode; the weights are restored."""
    with dry_run.other_weights(numbers):
        with _Replaced(numbers):
            outputs = dry_run.evaluated(dry_run.inputs, seed=seed)
        values = dry_run.compared(outputs, index)
    return None if values is None else values.double()
