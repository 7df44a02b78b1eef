"""What every block and model shows of itself: signature, attributes, repr, sizes, errors."""

import inspect
import re

import pytest
import torch
from torch import nn

import practicezoo
import practicezoo.blocks
import practicezoo.models
from practicezoo.blocks import Scale, Shortcut
from support.catalog import BLOCKS, ENTRIES, Part
from support.contracts import VISION_BLOCKS, VISION_MODELS, last, over


def exported_modules():
    homes = (practicezoo.blocks, practicezoo.models)
    exported = (getattr(home, name) for home in homes for name in home.__all__)
    return {value for value in exported if isinstance(value, type) and issubclass(value, nn.Module)}


def test_every_exported_module_has_an_entry():
    assert {entry.module for entry in ENTRIES} == exported_modules()


def test_entries_have_distinct_names():
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)


@over(ENTRIES)
def test_an_entry_is_of_its_class(entry):
    assert type(entry.build()) is entry.module


@over(BLOCKS)
def test_a_block_tells_its_output_size(entry):
    block = entry.build()
    inputs = entry.example(2, torch.float32)
    output = last(block(*inputs))
    if entry.module in {Shortcut, Scale}:  # they take any channels, and give the residual's
        assert output.shape == inputs[1].shape
    else:
        size = block.out_channels if hasattr(block, "out_channels") else block.out_features
        assert output.shape[-1 if entry.recurrent else 1] == size


@over(ENTRIES)
def test_an_argument_is_readable_under_its_own_name(entry):
    """On the module itself, or on the part of it that the argument went to."""
    module = entry.build()
    for name, value in entry.arguments.items():
        found = [getattr(part, name) for part in module.modules() if hasattr(part, name)]
        if isinstance(value, type):  # the class of a part
            assert any(isinstance(part, value) for part in module.modules()), name
        elif isinstance(value, str | Part) and name not in {"cell", "pooling"}:  # a part, or the name of one
            assert any(isinstance(part, nn.Module) for part in found), name
        elif value is not None and not callable(value):  # a number, or the widths of a branch
            told = [widths(part) if isinstance(part, nn.Module) else part for part in found]
            assert value in told, name


def widths(part):
    """The channels that each convolution of a branch makes: a number, or several."""
    channels = tuple(conv.out_channels for conv in part.modules() if isinstance(conv, nn.Conv2d))
    return channels[0] if len(channels) == 1 else channels


@over(ENTRIES)
def test_repr_shows_the_module(entry):
    assert repr(entry.build()).startswith(f"{entry.module.__name__}(")


@pytest.mark.parametrize("module", sorted(exported_modules(), key=lambda module: module.__name__))
def test_signature(module):
    parameters = inspect.signature(module).parameters
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    if module not in {Shortcut, Scale, practicezoo.blocks.PadChannels}:  # they make no parameters
        assert kinds["device"] == kinds["dtype"] == inspect.Parameter.KEYWORD_ONLY
    positional = [name for name, kind in kinds.items() if kind == inspect.Parameter.POSITIONAL_OR_KEYWORD]
    third = {practicezoo.ConvNormAct: ["kernel_size"], practicezoo.DenseBlock: ["num_layers"]}
    assert positional[2:] == third.get(module, [])
    assert inspect.Parameter.VAR_KEYWORD not in kinds.values()


@over([entry for entry in ENTRIES if not entry.makes_parameters])
def test_what_takes_no_device_makes_no_parameters(entry):
    given = [value for value in entry.arguments.values() if isinstance(value, Part)]
    assert given or not list(entry.build().parameters())


@over([entry for entry in VISION_BLOCKS if entry.module not in {Shortcut, Scale}])
@pytest.mark.parametrize("shape", [(2, 9, 6, 6), (4, 6, 6), (2, 4, 6, 6, 1)], ids=str)
def test_a_block_names_itself_and_both_shapes(entry, shape):
    block = entry.build()
    message = f"{entry.module.__name__} expects inputs of shape (N, 4, H, W), got {shape}"
    _, *residual = entry.example(2, torch.float32)
    with pytest.raises(ValueError, match=re.escape(message)):
        block(torch.zeros(shape), *residual)


@over([entry for entry in VISION_BLOCKS if entry.module not in {Shortcut, Scale}])
def test_a_block_takes_tensors_only(entry):
    features, *residual = entry.example(2, torch.float32)
    with pytest.raises(TypeError, match=f"{entry.module.__name__} expects a tensor, got ndarray"):
        entry.build()(features.numpy(), *residual)


@over(VISION_MODELS)
def test_a_model_names_itself_the_rule_and_what_it_got(entry):
    model = entry.build()
    name = entry.module.__name__
    (inputs,) = entry.example(2, torch.float32)
    with pytest.raises(
        TypeError, match=rf"{name} expects floating-point \w+, got torch.uint8: scale them first"
    ):
        model(inputs.to(torch.uint8))
    with pytest.raises(TypeError, match=rf"{name} expects a tensor.*, got list"):
        model(list(inputs))
    with pytest.raises(ValueError, match=rf"{name} expects .*, got .*\(2, 5\)"):
        model(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=rf"{name} expects .*, got .*\(5,\)"):
        model(torch.zeros(5))
