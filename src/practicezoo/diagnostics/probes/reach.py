"""Targets that the last activation can never give."""

import math
from collections.abc import Iterator

from torch import Tensor

from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.probes.misfits import last_computation
from practicezoo.diagnostics.recorder import LossCall

__all__ = ["find_out_of_reach"]

# The range of each activation, by the name that autograd gives it.
RANGES = {
    "TanhBackward0": ("tanh", -1, 1),
    "SigmoidBackward0": ("sigmoid", 0, 1),
    "HardsigmoidBackward0": ("hard sigmoid", 0, 1),
    "SoftmaxBackward0": ("softmax", 0, 1),
    "ReluBackward0": ("ReLU", 0, math.inf),
    "SoftplusBackward0": ("softplus", 0, math.inf),
    "ExpBackward0": ("exponential", 0, math.inf),
    "LogSoftmaxBackward0": ("log-softmax", -math.inf, 0),
    "LogSigmoidBackward0": ("log-sigmoid", -math.inf, 0),
}
# A few targets just beyond the range, as noise leaves them, are no mistake: what no output can reach must be
# a tenth of the targets' variance.
UNREACHED = 0.1


def find_out_of_reach(call: LossCall, targets: Tensor) -> Iterator[Finding]:
    """A regression whose last activation has a range in which the targets do not lie."""
    if call.kind != "difference" or call.targets is not targets or call.inputs.shape != targets.shape:
        return
    name, lowest, highest = RANGES.get(last_computation(call.inputs), ("", -math.inf, math.inf))
    wanted = targets.double()
    missing = (wanted - wanted.clamp(lowest, highest)).abs()
    variance = float(wanted.var(correction=0))
    if name and float(missing.square().mean()) > UNREACHED * variance and bool(missing.any()):
        yield Finding(
            "output-out-of-reach",
            f"the outputs go through a {name}, whose values lie between {lowest:g} and {highest:g}, and "
            f"{int((missing > 0).sum())} of the batch's {targets.numel()} targets do not: they reach from "
            f"{float(wanted.min()):.4g} to {float(wanted.max()):.4g}",
            f"remove the {name} behind the last layer, or scale the targets into its range",
        )
