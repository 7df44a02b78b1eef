"""Comparison of a module with a reference implementation under copied weights."""

import torch
from torch import Tensor, nn
from torch.testing import assert_close

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def rename(name: str, names: dict[str, str]) -> str:
    for theirs, ours in names.items():
        name = name.replace(theirs, ours)
    return name


def copy_weights(source: nn.Module, target: nn.Module, names: dict[str, str]) -> None:
    """Fill ``source`` with random state, not only weights, and load it into ``target`` under our names."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in source.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(std=0.3, generator=generator)
    target.load_state_dict({rename(name, names): tensor for name, tensor in source.state_dict().items()})


def assert_same_training(
    ours: nn.Module, theirs: nn.Module, images: Tensor, names: dict[str, str], *, training: bool
) -> None:
    """Equal outputs, gradients of input and parameters, and buffers after one pass, in float64."""
    results = []
    for module in (ours, theirs):
        module.double().train(training)
        inputs = images.double().requires_grad_()
        output = module(inputs)
        weights = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).reshape(output.shape)
        (output * weights).sum().backward()
        results.append((output, inputs.grad))
    assert_close(results[0], results[1], **EXACT)
    our_parameters, our_buffers = dict(ours.named_parameters()), dict(ours.named_buffers())
    for name, parameter in theirs.named_parameters():
        assert_close(our_parameters[rename(name, names)].grad, parameter.grad, **EXACT)
    for name, buffer in theirs.named_buffers():
        assert_close(our_buffers[rename(name, names)], buffer, **EXACT)
