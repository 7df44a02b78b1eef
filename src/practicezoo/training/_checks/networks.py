"""Mistakes that show in what the network computes, in its gradients, and in its optimizers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from practicezoo.training._checks.notes import Layer, Rectified
from practicezoo.training._checks.trial import Trial, named_parameters, tensors_in
from practicezoo.training.check import Finding

__all__ = ["find_constant_output", "find_dead", "find_in_gradients", "find_in_optimizers", "find_padding_read", "find_scale"]

# Layers start for inputs of mean 0 and deviation 1. Grey values from 0 to 1 (0.13 and 0.31) and
# measurements of a few units train as well; at ten, a gradient is ten times what learning rates are made for.
_MAX_SCALE = 10
# In a fresh network half of the units may be zero for a batch whose samples are alike. That nine in ten of
# 32 units are, by chance, happens once in a million times: C(32, 29) / 2^32. A layer without a living unit
# is dead whatever its width. Fewer than eight values say nothing of a unit.
_MAX_DEAD, _MIN_UNITS, _MIN_VALUES = 0.9, 32, 8
# The gradient's norm at the first layer, divided by that at the last. In fresh networks it lies between 0.01
# and 10 (five layers of sigmoid: 0.001); a millionth is all but lost in float32's seven digits, and with a
# thousandfold no learning rate suits both ends.
_VANISHED, _EXPLODED = 1e-6, 1e3
_NUDGE = 1e-2
_ROUNDING = 1e-3
_NUM_NAMED = 3


def find_in_optimizers(model: nn.Module, criterion: Any, optimizers: Sequence[Optimizer]) -> Iterator[Finding]:
    """Parameters without an optimizer or with two, optimizers without parameters or a step."""
    named = dict(named_parameters(model, criterion))
    if named and not any(parameter.requires_grad for parameter in named.values()):
        yield Finding(
            "all-frozen",
            f"none of the {len(named)} parameters requires a gradient",
            "set requires_grad to True for what is to be trained: model.requires_grad_()",
        )
    if not optimizers:
        return
    ours = {id(parameter) for parameter in named.values()}
    held = Counter(id(each) for optimizer in optimizers for group in optimizer.param_groups for each in group["params"])
    for optimizer in optimizers:
        own = {id(each) for group in optimizer.param_groups for each in group["params"]}
        if ours.isdisjoint(own):
            yield Finding(
                "foreign-optimizer",
                f"{type(optimizer).__name__} holds none of the model's parameters",
                "make it from this model, after the last change of its layers",
            )
        if any(group.get("lr") == 0 == group.get("initial_lr", 0) for group in optimizer.param_groups):
            yield Finding(
                "zero-learning-rate",
                f"{type(optimizer).__name__} has a learning rate of 0",
                "give it a positive one, such as 1e-3 for Adam or 1e-2 for SGD",
            )
    missed = [name for name, each in named.items() if each.requires_grad and not held[id(each)]]
    if missed:
        yield Finding(
            "parameters-missed",
            f"no optimizer has {_listed(missed)}",
            "make the optimizer from all of model.parameters(), after the last change of its layers; set "
            "requires_grad to False for what stays as it is",
        )
    if twice := [name for name, each in named.items() if held[id(each)] > 1]:
        yield Finding(
            "parameter-twice",
            f"{_listed(twice)} would be updated twice in each step",
            "give each parameter to one group of one optimizer",
        )


def find_scale(layers: Sequence[Layer], inputs: Any) -> Iterator[Finding]:
    """Numbers far from mean 0 and deviation 1, where they enter the first layer with weights."""
    tensors = list(tensors_in(inputs))
    if not layers or not any(tensor.is_floating_point() or tensor.dtype == torch.uint8 for tensor in tensors):
        return  # ids: an embedding gives them a scale
    mean, std = layers[0].mean, layers[0].std
    if not (bool((mean.abs() > _MAX_SCALE).any()) or bool((std > _MAX_SCALE).any())):
        return
    if mean.ndim:
        column = int(torch.maximum(mean.abs(), std).argmax())
        shown = f"column {column} of the inputs has mean {mean[column]:.3g} and deviation {std[column]:.3g}"
    else:
        shown = f"the inputs have mean {mean:.3g} and deviation {std:.3g}"
    yield Finding(
        "input-scale",
        f"{shown}, and layers start for about 0 and 1",
        "subtract the training data's mean and divide by its deviation (images: divide by 255 first)",
    )


def find_dead(rectified: Sequence[Rectified]) -> Iterator[Finding]:
    """Layers of ReLUs that let nothing through."""
    for where, dead, num_values in rectified:
        share = float(dead.float().mean())
        if num_values >= _MIN_VALUES and (share == 1 or (share > _MAX_DEAD and len(dead) >= _MIN_UNITS)):
            yield Finding(
                "dead-relus",
                f"{int(dead.sum())} of the {len(dead)} units of the ReLU in {where} are 0 for the whole batch: "
                "they pass no gradient",
                "look at the layer before it: a bias far below 0, weights or inputs of a wrong scale",
            )


def find_constant_output(trial: Trial) -> Iterator[Finding]:
    """Outputs that are the same for all samples, and stay so with other weights."""
    if not isinstance(trial.outputs, Tensor) or len(trial.outputs) < 2 or not trial.outputs.is_floating_point():  # noqa: PLR2004
        return
    vary = any(bool((each != each[:1]).any()) for each in tensors_in(trial.inputs) if len(each))
    if not vary or not _is_constant(trial.evaluated(trial.inputs)):
        return
    # a last layer that starts at zero is no mistake: a nudge brings it to life
    with torch.no_grad():
        for parameter in trial.model.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter), alpha=_NUDGE)
    if _is_constant(trial.evaluated(trial.inputs)):
        yield Finding(
            "constant-output",
            "the outputs are the same for all samples of the batch",
            "see that forward uses its argument, that each layer gets the one before, and that no softmax "
            "goes over a dimension of 1",
        )


def find_padding_read(trial: Trial) -> Iterator[Finding]:
    """Outputs that change with the padding behind a sequence's end."""
    inputs = trial.inputs
    if not (hasattr(inputs, "lengths") and hasattr(inputs, "data") and hasattr(inputs, "_replace")):
        return
    more = inputs.data.new_zeros(len(inputs.data), 3, *inputs.data.shape[2:])
    outputs = trial.evaluated(inputs)
    again = trial.evaluated(inputs._replace(data=torch.cat([inputs.data, more], dim=1)))
    if isinstance(outputs, Tensor) and outputs.shape == again.shape:
        deviation = (outputs - again).abs().max()
        if bool(deviation > _ROUNDING * outputs.abs().max()):
            yield Finding(
                "padding-read",
                f"three more steps of padding change the outputs, by up to {float(deviation):.2g}: a sequence's "
                "result depends on the others in its batch",
                "pack the sequences before a recurrent layer, and leave padding out of means and maxima",
            )


def find_in_gradients(
    trial: Trial, optimizers: Sequence[Optimizer], *, is_finite: bool
) -> Iterator[Finding]:
    """Parameters that no gradient reaches, and gradients that die or grow on their way."""
    named, of_layers, strangers = trial.differentiate()
    copies = trial.copies
    held = [each for optimizer in optimizers for group in optimizer.param_groups for each in group["params"]]
    known = {id(copies.get(id(each), each)) for each in held}
    if unknown := [leaf for leaf in strangers if id(leaf) not in known]:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in unknown[:_NUM_NAMED])
        yield Finding(
            "unregistered-parameters",
            f"{len(unknown)} tensors get a gradient but are no parameters of the model (of shape {shapes})",
            "keep layers in nn.ModuleList or nn.ModuleDict rather than list or dict, tensors in nn.Parameter",
        )
    if unused := [name for name, gradient in named.items() if gradient is None]:
        yield Finding(
            "no-gradient",
            f"no gradient reaches {_listed(unused)}",
            "use them in forward, or remove them; look for detach() and for a layer that is called instead of "
            "its neighbour",
        )
    gradients = {name: gradient for name, gradient in named.items() if gradient is not None}
    if broken := [name for name, gradient in gradients.items() if not gradient.isfinite().all()]:
        if is_finite:
            yield Finding(
                "gradient-not-finite",
                f"the gradient of {_listed(broken)} is NaN or infinite, though the loss is a number",
                "look for the square root or the norm of 0, and for a division by 0 behind torch.where",
            )
        return
    if gradients and not any(gradient.any() for gradient in gradients.values()):
        yield Finding(
            "zero-gradients",
            "the gradient is 0 for all parameters: nothing would change",
            "look for rounding, clamp or a comparison between the parameters and the loss",
        )
        return
    yield from _find_ratio(trial.layers, of_layers)


def _find_ratio(layers: Iterable[Layer], gradients: Iterable[Tensor | None]) -> Iterator[Finding]:
    names = [layer.where for layer in layers if layer.outputs.requires_grad]
    norms = [
        (name, float(gradient.float().norm()))
        for name, gradient in zip(names, gradients, strict=True)
        if gradient is not None
    ]
    # behind a last layer that starts at zero, all others get none: that is no decay
    norms = [(name, norm) for name, norm in norms if norm > 0]
    if len(norms) < 2:  # noqa: PLR2004
        return
    (first, first_norm), (last, last_norm) = norms[0], norms[-1]
    ratio = first_norm / last_norm
    if ratio < _VANISHED:
        yield Finding(
            "vanishing-gradients",
            f"from {last} back to {first} the gradient's norm falls from {last_norm:.2g} to {first_norm:.2g}",
            "take ReLU instead of sigmoid or tanh, normalisation layers, shortcuts, or fewer layers",
        )
    if ratio > _EXPLODED:
        yield Finding(
            "exploding-gradients",
            f"from {last} back to {first} the gradient's norm grows from {last_norm:.2g} to {first_norm:.2g}",
            "start from smaller weights (torch's own start will do), or add normalisation layers",
        )


def _is_constant(outputs: Any) -> bool:
    """Whether all rows are equal, up to rounding."""
    deviation = (outputs - outputs[:1]).abs().max()
    return bool(deviation <= 1e-6 * outputs.abs().max())


def _listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:_NUM_NAMED])
    return shown if len(names) <= _NUM_NAMED else f"{shown} and {len(names) - _NUM_NAMED} more"
