"""Mistakes that show in what the network computes on its way forward."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from practicezoo.diagnostics.dry_run import tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import Layer, Rectified

__all__ = ["find_dead", "find_scale"]

# Layers start for inputs of mean 0 and standard deviation 1. Grey values from 0 to 1 (0.13 and 0.31) and
# measurements of a few units train as well; at ten, a gradient is ten times what learning rates are made for.
MAX_SCALE = 10
# In a fresh network half of the units may be zero for a batch whose samples are alike. That nine in ten of
# 32 units are zero at random has a probability of a millionth: C(32, 29) / 2^32. A layer without a living
# unit is dead whatever its width. Fewer than eight values say nothing of a unit.
MAX_DEAD, MIN_UNITS, MIN_VALUES = 0.9, 32, 8


def find_scale(layers: Sequence[Layer], inputs: Any) -> Iterator[Finding]:
    """Values far from mean 0 and standard deviation 1, where they enter the first layer with weights."""
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
        shown = (
            f"column {column} of the inputs has mean {mean[column]:.4g} and standard deviation "
            f"{std[column]:.4g}"
        )
    else:
        shown = f"the inputs have mean {mean:.4g} and standard deviation {std:.4g}"
    yield Finding(
        "input-scale",
        f"{shown}, and layers expect about 0 and 1",
        "subtract the training data's mean and divide by its standard deviation (images: divide by 255 "
        "first)",
    )


def find_dead(rectified: Sequence[Rectified]) -> Iterator[Finding]:
    """Layers of ReLUs that let nothing through."""
    for where, dead, num_values in rectified:
        fraction = float(dead.float().mean())
        if num_values >= MIN_VALUES and (fraction == 1 or (fraction > MAX_DEAD and len(dead) >= MIN_UNITS)):
            yield Finding(
                "dead-relus",
                f"{int(dead.sum())} of the {len(dead)} units of the ReLU in {where} are 0 for the whole "
                "batch: they pass no gradient",
                "look at the layer before it: a bias far below 0, weights or inputs of a wrong scale",
            )
