"""Several layers that together are one affine map."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from practicezoo.diagnostics.dry_run import DryRun
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import Layer
from practicezoo.diagnostics.samples import first_samples

__all__ = ["find_no_nonlinearity"]

NUM_TRIED = 16
FAR = 10  # how far beyond the samples the map is followed: any ReLU changes sides on that way
AFFINE = 1e-4  # of the range of the values; float32 rounds to 1e-6 of them


def find_no_nonlinearity(dry_run: DryRun, num_samples: int) -> Iterator[Finding]:
    """Follow the last layer's outputs along lines between samples, and beyond; changes the copy's weights.

    A layer narrower than both ends, as in an autoencoder, is there to be narrow.
    """
    inputs = dry_run.inputs
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or num_samples < 2:
        return
    chain = _chain(dry_run.layers)
    if len(chain) < 2 or len(inputs) != num_samples:
        return
    widths = [layer.outputs.numel() // num_samples for layer in chain]
    if min(widths[:-1]) < min(inputs.numel() // num_samples, widths[-1]):
        return
    dry_run.nudge()  # a branch that starts at 0 would not show
    residual = _residual(dry_run, first_samples(inputs, NUM_TRIED, of=num_samples))
    if residual is not None and residual < AFFINE:
        yield Finding(
            "no-nonlinearity",
            f"{len(chain)} layers with weights follow each other ({chain[0].where} to {chain[-1].where}), "
            f"and the last one's outputs are an affine map of the inputs, up to {residual:.1g} of their "
            "range: one layer could do the same",
            "put an activation such as nn.ReLU() between the layers",
        )


def _residual(dry_run: DryRun, samples: Tensor) -> float | None:
    """How far the map leaves the lines through pairs of samples and through 0, in parts of its range there.

    None where it hardly changes.
    """
    others = samples.roll(1, dims=0)
    at_samples, at_others, at_zero = (_last_layer(dry_run, each) for each in (samples, others, 0 * samples))
    beyond = _last_layer(dry_run, samples + FAR * (samples - others))
    opposite = _last_layer(dry_run, -samples)
    residuals = []
    for step, end in (
        (FAR * (at_samples - at_others), beyond - at_samples),
        (at_zero - at_samples, opposite - at_zero),
    ):
        spread = step.abs().max()
        if not spread > AFFINE * at_samples.abs().max():
            return None
        residuals.append(float((end - step).abs().max() / spread))
    return max(residuals)


def _last_layer(dry_run: DryRun, inputs: Tensor) -> Tensor:
    _, recorder = dry_run.observed(inputs)
    return recorder.layers[-1].outputs.detach().double()


def _chain(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that the last one's outputs come from, and that one."""
    if not layers or layers[-1].outputs.grad_fn is None:
        return []
    behind: set[Any] = set()
    pending: list[Any] = [layers[-1].outputs.grad_fn]
    while pending:
        node = pending.pop()
        if node is not None and node not in behind:
            behind.add(node)
            pending += [parent for parent, _ in node.next_functions]
    return [layer for layer in layers if layer.outputs.grad_fn in behind]
