"""Mistakes that show in what the network computes on its way forward."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from practicezoo.diagnostics.dry_run import DryRun, tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import Layer, Rectified

__all__ = ["find_constant_output", "find_dead", "find_padding_read", "find_scale"]

# Layers start for inputs of mean 0 and deviation 1. Grey values from 0 to 1 (0.13 and 0.31) and
# measurements of a few units train as well; at ten, a gradient is ten times what learning rates are made for.
MAX_SCALE = 10
# In a fresh network half of the units may be zero for a batch whose samples are alike. That nine in ten of
# 32 units are, by chance, happens once in a million times: C(32, 29) / 2^32. A layer without a living unit
# is dead whatever its width. Fewer than eight values say nothing of a unit.
MAX_DEAD, MIN_UNITS, MIN_VALUES = 0.9, 32, 8
ROUNDING = 1e-3


def find_scale(layers: Sequence[Layer], inputs: Any) -> Iterator[Finding]:
    """Numbers far from mean 0 and deviation 1, where they enter the first layer with weights."""
    tensors = list(tensors_in(inputs))
    if not layers or not any(tensor.is_floating_point() or tensor.dtype == torch.uint8 for tensor in tensors):
        return  # ids: an embedding gives them a scale
    mean, std = layers[0].mean, layers[0].std
    if all(tensor.ndim > 2 for tensor in tensors):  # images, made flat: they have one scale
        mean, std = mean.mean(), (std.square().mean() + mean.var(correction=0)).sqrt()
    if not (bool((mean.abs() > MAX_SCALE).any()) or bool((std > MAX_SCALE).any())):
        return
    if mean.ndim:
        column = int(torch.maximum(mean.abs(), std).argmax())
        shown = f"column {column} of the inputs has mean {mean[column]:.4g} and deviation {std[column]:.4g}"
    else:
        shown = f"the inputs have mean {mean:.4g} and deviation {std:.4g}"
    yield Finding(
        "input-scale",
        f"{shown}, and layers expect about 0 and 1",
        "subtract the training data's mean and divide by its deviation (images: divide by 255 first)",
    )


def find_dead(rectified: Sequence[Rectified]) -> Iterator[Finding]:
    """Layers of ReLUs that let nothing through."""
    for where, dead, num_values in rectified:
        share = float(dead.float().mean())
        if num_values >= MIN_VALUES and (share == 1 or (share > MAX_DEAD and len(dead) >= MIN_UNITS)):
            yield Finding(
                "dead-relus",
                f"{int(dead.sum())} of the {len(dead)} units of the ReLU in {where} are 0 for the whole "
                "batch: they pass no gradient",
                "look at the layer before it: a bias far below 0, weights or inputs of a wrong scale",
            )


def find_constant_output(dry_run: DryRun) -> Iterator[Finding]:
    """Outputs that are the same for all samples, and stay so with other weights."""
    vary = any(bool((each != each[:1]).any()) for each in tensors_in(dry_run.inputs) if each.ndim)
    if not vary or not _is_constant(dry_run.steady()):
        return
    # a last layer that starts at zero is no mistake: a nudge brings it to life
    dry_run.nudge()
    if _is_constant(dry_run.steady()):
        yield Finding(
            "constant-output",
            "the outputs are the same for all samples of the batch",
            "see that forward uses its argument, that each layer gets the one before, and that no softmax "
            "goes over a dimension of 1",
        )


def find_padding_read(dry_run: DryRun) -> Iterator[Finding]:
    """Outputs that change with the padding behind a sequence's end."""
    inputs = dry_run.inputs
    if not (hasattr(inputs, "lengths") and hasattr(inputs, "data") and hasattr(inputs, "_replace")):
        return
    more = inputs.data.new_zeros(len(inputs.data), 3, *inputs.data.shape[2:])
    outputs = dry_run.evaluated(inputs)
    again = dry_run.evaluated(inputs._replace(data=torch.cat([inputs.data, more], dim=1)))
    if isinstance(outputs, Tensor) and outputs.shape == again.shape:
        deviation = (outputs - again).abs().max()
        if bool(deviation > ROUNDING * outputs.abs().max()):
            yield Finding(
                "padding-read",
                f"three more steps of padding change the outputs, by up to {float(deviation):.2g}: a "
                "sequence's result depends on the others in its batch",
                "pack the sequences before a recurrent layer, and leave padding out of means and maxima",
            )


def _is_constant(outputs: Any) -> bool:
    """Whether all rows are equal, up to rounding."""
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point() or outputs.ndim == 0:
        return False
    if len(outputs) < 2:  # one row is always equal to itself
        return False
    deviation = (outputs - outputs[:1]).abs().max()
    return bool(deviation <= 1e-6 * outputs.abs().max())
