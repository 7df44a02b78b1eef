"""Outputs that differ from one evaluation to the next."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from practicezoo.batches import call_model
from practicezoo.diagnostics.dry_run import DryRun, tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import NOISE, RandomCall
from practicezoo.runtime.preserve import preserve_training_mode

__all__ = ["find_random_evaluation"]

DIFFERS = 1e-3  # of the largest output
PRODUCTS = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}


def find_random_evaluation(dry_run: DryRun, num_samples: int) -> Iterator[Finding]:
    """Two passes in evaluation mode, with other random numbers of torch, NumPy and Python.

    A model that returns more than one tensor, such as a variational one, samples on purpose. So does one
    whose noise has the shape of its weights, or of many samples for each of the batch, or a scale that the
    network computes. A model that returns a number returns its loss.
    """
    outputs, recorder = dry_run.observed(dry_run.inputs)
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point() or outputs.ndim == 0:
        return
    other, again = dry_run.evaluated(dry_run.inputs, seed=1), dry_run.evaluated(dry_run.inputs)
    if not torch.equal(outputs, again) or outputs.shape != other.shape:  # a state, not a random number
        return
    difference, scale = float((outputs - other).abs().max()), float(outputs.abs().max())
    if not difference > DIFFERS * scale:
        return
    calls = recorder.random_calls
    fix = "draw random numbers only in training: if self.training"
    if dropouts := [call for call in calls if call.drops]:
        calls = dropouts
        fix = (
            "give dropout_p only if self.training: dropout_p=self.dropout if self.training else 0.0"
            if calls[0].name == "scaled_dot_product_attention"
            else f"F.{calls[0].name}(..., training=self.training), or a module such as nn.Dropout"
        )
    elif any(_is_meant(call, dry_run, num_samples) for call in calls) or _scales_noise(dry_run):
        return
    drawn = f"{calls[0].name} in {calls[0].where}" if calls else "Python's random or NumPy"
    yield Finding(
        "evaluation-random",
        f"two passes of one batch in evaluation mode differ by up to {difference:.2g} (the outputs reach "
        f"{scale:.2g}): {drawn} draws random numbers there too",
        fix,
    )


def _is_meant(call: RandomCall, dry_run: DryRun, num_samples: int) -> bool:
    """Whether a random call may be the model's way to answer: random weights, or many answers a sample.

    Augmentation and noise draw a number, a row, or one for each sample or each of its values.
    """
    if call.name == "gumbel_softmax":
        return True
    shape = call.shape
    if shape[:1] in {(num_samples,), (1,)} or len(shape) < 2:
        return False
    return all(shape != tuple(each.shape[1:]) for each in tensors_in(dry_run.inputs))


class _Scaling(TorchFunctionMode):
    """Watches for noise that is multiplied by what the network computes."""

    def __init__(self) -> None:
        super().__init__()
        self.noise: list[Tensor] = []
        self.is_computed = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in NOISE and isinstance(result, Tensor):
            self.noise.append(result)
        if name in PRODUCTS and any(each is noise for each in args for noise in self.noise):
            self.is_computed |= any(isinstance(each, Tensor) and each.grad_fn is not None for each in args)
        return result


def _scales_noise(dry_run: DryRun) -> bool:
    """Whether the network says how strong its noise is, as a variational autoencoder does."""
    with preserve_training_mode(dry_run.model), _Scaling() as scaling:
        call_model(dry_run.model.eval(), copy.deepcopy(dry_run.inputs))
    return scaling.is_computed
