"""How the tests of contracts build, call and differentiate an entry of the catalog."""

import inspect

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from practicezoo import PaddedSequence, list_models
from support.catalog import BLOCKS, ENTRIES, MODELS, SMALL
from support.slow import slow_unless

FORMS = ["padded", "packed", "lengths"]
RECURRENT = [entry for entry in ENTRIES if entry.recurrent]
VISION_BLOCKS = [entry for entry in BLOCKS if not entry.recurrent]
VISION_MODELS = [entry for entry in MODELS if not entry.recurrent]
# torch's own: its tracer looks at .grad of every tensor it meets
ignore_grad_access = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")


def over(entries, *, quick=None):
    """Each entry as a test's argument; where ``quick`` names some, the others are marked slow."""
    quick = entries if quick is None else [entry for entry in entries if entry.name in quick]
    return pytest.mark.parametrize("entry", slow_unless(entries, quick), ids=lambda entry: entry.name)


def over_registered():
    """Each registered model's name as a test's argument; the full-sized ones are marked slow."""
    return pytest.mark.parametrize("name", slow_unless(list_models(), SMALL))


def ready(entry, **factory):
    """A module in evaluation mode, after a training batch, so that its norms have seen data."""
    module = entry.build(**factory)
    inputs = entry.example(8, factory.get("dtype", torch.float32))
    module(*move(inputs, factory.get("device", "cpu")))
    return module.eval()


def move(inputs, device):
    return tuple(each.to(device) for each in inputs)


def results(outputs):
    """The floating tensors of an output, whatever its form."""
    tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def last(outputs):
    """The one tensor that a loss is computed from: the logits, or the final state of an encoder."""
    return results(outputs)[-1]


def differentiate(module, inputs):
    """The gradients of an uneven weighting of the result, by the name of the parameter or "input 0", ..."""
    inputs = [
        each.detach().clone().requires_grad_()
        if isinstance(each, torch.Tensor) and each.is_floating_point()
        else each
        for each in inputs
    ]
    module.zero_grad()
    output = last(module(*inputs)).float()
    output.mul(
        torch.arange(1.0, output.numel() + 1, device=output.device).view_as(output).sin()
    ).sum().backward()
    gradients = {
        f"input {place}": each.grad
        for place, each in enumerate(inputs)
        if isinstance(each, torch.Tensor) and each.requires_grad
    }
    return gradients | {
        name.removeprefix("_orig_mod."): parameter.grad for name, parameter in module.named_parameters()
    }


def without_dropout(module):
    """The module with no dropout left in it, so that it computes the same on every device."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, nn.RNNBase):
            part.dropout = 0.0
    return module


def pad(inputs, *, extra=2):
    """A dense batch as a padded one: lengths 1, 2, 3, ... and some more padding behind."""
    (inputs,) = inputs
    num_sequences, num_steps = inputs.shape[:2]
    lengths = torch.arange(num_sequences).remainder(num_steps) + 1
    padding = inputs.new_zeros(num_sequences, extra, *inputs.shape[2:])
    return PaddedSequence(torch.cat([inputs, padding], dim=1), lengths)


def in_form(form, entry, dtype=torch.float32):
    """Three sequences as a recurrent module's arguments: padded, packed, or a tensor with lengths."""
    padded = pad(entry.example(3, dtype))
    if form == "packed":
        return (padded.pack(),)
    if form == "lengths" and "lengths" in inspect.signature(entry.module.forward).parameters:  # models
        return tuple(padded)
    return (padded,)
