"""GoogLeNet and Inception v3 compute and train as torchvision's, auxiliary heads and dropout included."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo import create_model
from practicezoo.models import to_torchvision
from practicezoo.models.families import TransformInput

SIZES = {"googlenet": 64, "inception_v3": 96}
EXACT = {"rtol": 1e-10, "atol": 1e-10}


def theirs_and_ours(name, folder, *, auxiliary=False, transform_input=False, **settings):
    """torchvision's network with random weights and statistics, and ours from the file of its tensors."""
    theirs = getattr(torchvision.models, name)(
        init_weights=False, aux_logits=auxiliary, transform_input=transform_input, **settings
    )
    with torch.no_grad():
        for part in theirs.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.5, 2)
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(std=0.1)
    torch.save(theirs.state_dict(), folder / "weights.pth")
    weights = folder / "weights.pth"
    return theirs, create_model(name, weights=weights, auxiliary=auxiliary, transform_input=transform_input)


@pytest.mark.parametrize("transform_input", [True, False])
@pytest.mark.parametrize("name", SIZES)
def test_logits_are_torchvisions_to_the_bit(name, transform_input, tmp_path):
    theirs, ours = theirs_and_ours(name, tmp_path, transform_input=transform_input)
    images = torch.randn(2, 3, SIZES[name], SIZES[name] + 13)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (0, 3, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_are_renormalised_as_by_torchvision(shape, dtype):
    theirs = torchvision.models.googlenet(init_weights=False, transform_input=True)
    images = torch.randn(shape, dtype=dtype)
    assert torch.equal(TransformInput()(images), theirs._transform_input(images))


def leaves(outputs):
    """The last logits, then the auxiliary ones in their order, which torchvision gives reversed."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    logits, *auxiliary = outputs
    if isinstance(auxiliary[0], tuple):
        return [logits, *auxiliary[0]]
    return [logits, *reversed(auxiliary)]


def check_trains_alike(ours, theirs, size):
    """One step's outputs, gradients and statistics, with the same values dropped."""
    images, targets = torch.randn(2, 3, size, size, dtype=torch.float64), torch.tensor([3, 5])
    results = []
    for model in (ours, theirs):
        model.double().train()
        inputs = images.clone().requires_grad_()
        torch.manual_seed(0)
        outputs = leaves(model(inputs))
        sum(F.cross_entropy(logits, targets) for logits in outputs).backward()
        results.append((outputs, inputs.grad))
    assert_close(results[0], results[1], **EXACT)
    assert_close(to_torchvision(ours), dict(theirs.state_dict()), **EXACT)
    for parameter in ours.parameters():
        parameter.data = parameter.grad
    renamed = to_torchvision(ours)
    for key, parameter in theirs.named_parameters():
        assert_close(renamed[key], parameter.grad, **EXACT, msg=key)


@pytest.mark.parametrize("name", SIZES)
def test_training_is_torchvisions(name, tmp_path):
    theirs, ours = theirs_and_ours(name, tmp_path, num_classes=7)
    check_trains_alike(ours, theirs, SIZES[name])


def test_googlenets_auxiliary_heads_train_as_torchvisions(tmp_path):
    theirs, ours = theirs_and_ours("googlenet", tmp_path, num_classes=7, auxiliary=True, transform_input=True)
    check_trains_alike(ours, theirs, 64)


@pytest.mark.slow
def test_inception_v3s_auxiliary_head_trains_as_torchvisions(tmp_path):
    theirs, ours = theirs_and_ours("inception_v3", tmp_path, num_classes=7, auxiliary=True)
    check_trains_alike(ours, theirs, 299)


@pytest.mark.parametrize("auxiliary", [True, False])
@pytest.mark.parametrize("name", SIZES)
def test_the_state_dict_goes_back(name, auxiliary):
    ours = create_model(name, auxiliary=auxiliary)
    theirs = getattr(torchvision.models, name)(init_weights=False, aux_logits=auxiliary)
    state = to_torchvision(ours)
    assert state.keys() == theirs.state_dict().keys()
    theirs.load_state_dict(state)
    images = torch.randn(1, 3, SIZES[name], SIZES[name])
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
