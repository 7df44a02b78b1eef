"""Targets that the outputs cannot reach, whatever the weights are."""

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.misfits import last_computation
from practicezoo.diagnostics.recorder import LossCall, OperationRecorder

__all__ = ["find_out_of_reach"]

# A few targets just beyond the range, as noise leaves them, are no mistake: what no output can reach must be
# a tenth of the targets' variance.
UNREACHED = 0.1
# A binary classifier must be able to reach beyond what stands between its classes, by a little.
BETWEEN = {"bce": (0.45, 0.55), "bce-with-logits": (-0.2, 0.2)}
FAR = 1e4  # times the largest target: any bend of an activation lies within
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
                yield _of_targets(call, targets, missing, lowest, highest)
        elif call.kind in BETWEEN:
            lowest, highest = _reached(dry_run, index, *BETWEEN[call.kind])
            missed = (targets < 0.5) & math.isfinite(lowest) | (targets > 0.5) & math.isfinite(highest)
            if bool(missed.any()):
                yield _of_classes(call, missed, lowest, highest)


def _bounds(lowest: float, highest: float) -> str:
    bounds = {
        (True, False): f"never fall below {lowest:.4g}",
        (False, True): f"never rise above {highest:.4g}",
        (True, True): f"lie between {lowest:.4g} and {highest:.4g}",
    }
    return bounds[math.isfinite(lowest), math.isfinite(highest)]


def _of_classes(call: LossCall, missed: Tensor, lowest: float, highest: float) -> Finding:
    label = float(call.targets[missed].flatten()[0])
    return Finding(
        "output-out-of-reach",
        f"whatever the weights are, the outputs {_bounds(lowest, highest)}: no sample is given to class "
        f"{label:g}, which {int(missed.sum())} of the batch's {missed.numel()} targets are",
        "let the last layer be linear: no ReLU or other activation between it and the sigmoid",
    )


def _of_targets(call: LossCall, targets: Tensor, missing: Tensor, lowest: float, highest: float) -> Finding:
    bound = _bounds(lowest, highest)
    name = last_computation(call.inputs).split("Backward")[0].lower()
    return Finding(
        "output-out-of-reach",
        f"whatever the weights are, the outputs {bound} (they are computed by {name}), and "
        f"{int((missing > 0).sum())} of the batch's {targets.numel()} targets do not: they reach from "
        f"{float(targets.min()):.4g} to {float(targets.max()):.4g}",
        f"remove the {name} behind the last layer, or scale the targets into the range of the outputs",
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
    trained = [parameter for parameter in dry_run.parameters().values() if parameter.is_floating_point()]
    values = [parameter.data for parameter in trained]  # the graph of the loss must not see the change
    before = [each.clone() for each in values]
    try:
        for each in values:
            each.copy_(numbers(each))
        with _Replaced(numbers):
            outputs = dry_run.evaluated(dry_run.inputs, seed=seed)
        with (
            torch.no_grad(),
            OperationRecorder(dry_run.where, pair=(outputs, dry_run.targets)) as recorder,
        ):
            dry_run.criterion(outputs, dry_run.targets)
    finally:
        for each, old in zip(values, before, strict=True):
            each.copy_(old)
    calls = recorder.loss_calls
    return calls[index].inputs.double() if index < len(calls) else None
