"""Networks of the families compute and train exactly as torchvision's, and take its weights."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo import create_model
from practicezoo.models import to_torchvision
from support.slow import slow_unless

QUICK = {"resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121"}
NAMES = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "wide_resnet50_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
]


def theirs_and_ours(name, folder, **settings):
    """torchvision's network with random weights and statistics, and ours from the file of its tensors."""
    theirs = getattr(torchvision.models, name)(**settings)
    with torch.no_grad():
        for part in theirs.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(std=0.1)
    torch.save(theirs.state_dict(), folder / "weights.pth")
    return theirs, create_model(name, weights=folder / "weights.pth")


@pytest.mark.parametrize("name", slow_unless(NAMES, QUICK))
def test_logits_are_torchvisions_to_the_bit(name, tmp_path):
    theirs, ours = theirs_and_ours(name, tmp_path)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("name", slow_unless(NAMES, QUICK - {"wide_resnet50_2"}))
def test_training_is_torchvisions(name, tmp_path):
    theirs, ours = theirs_and_ours(name, tmp_path, num_classes=7)
    images, targets = torch.randn(2, 3, 64, 64, dtype=torch.float64), torch.tensor([3, 5])
    results = []
    for model in (ours, theirs):
        model.double().train()
        inputs = images.clone().requires_grad_()
        logits = model(inputs)
        F.cross_entropy(logits, targets).backward()
        results.append((logits, inputs.grad))
    assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)
    state = theirs.state_dict()  # with what the norms have learnt from the batch
    assert_close(to_torchvision(ours), dict(state), rtol=1e-10, atol=1e-10)
    for parameter in ours.parameters():
        parameter.data = parameter.grad
    gradients = {key: parameter.grad for key, parameter in theirs.named_parameters()}
    renamed = to_torchvision(ours)
    assert_close({key: renamed[key] for key in gradients}, gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", slow_unless(NAMES, {"resnet18", "densenet121"}))
def test_the_state_dict_goes_back(name):
    ours = create_model(name)
    theirs = getattr(torchvision.models, name)()
    state = to_torchvision(ours)
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("name", slow_unless(NAMES, {"resnet18", "densenet121"}))
def test_a_fresh_start_is_spread_as_torchvisions(name):
    theirs = getattr(torchvision.models, name)().state_dict()
    for key, tensor in to_torchvision(create_model(name)).items():
        if tensor.is_floating_point() and theirs[key].std() == 0:
            assert torch.equal(tensor, theirs[key]), key
        elif tensor.numel() > 1000:
            assert_close(tensor.std(), theirs[key].std(), rtol=0.15, atol=0, msg=key)
            assert abs(tensor.mean()) < 0.15 * tensor.std(), key


def test_zero_init_is_torchvisions():
    theirs = torchvision.models.resnet18(zero_init_residual=True).state_dict()
    state = to_torchvision(create_model("resnet18", zero_init=True))
    norms = [key for key in state if ".bn2.weight" in key]
    assert len(norms) == 8
    assert_close([state[key] for key in norms], [theirs[key] for key in norms], rtol=0, atol=0)
