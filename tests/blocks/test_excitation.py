import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.ops import SqueezeExcitation as TorchvisionSqueezeExcitation

from practicezoo.blocks import ResidualBlock, SqueezeExcitation
from support.parity import assert_same_training, copy_weights

NAMES = {"fc1": "squeeze", "fc2": "excite"}


@pytest.mark.parametrize("gate", [nn.Sigmoid, nn.Hardsigmoid])
def test_equals_torchvision(gate):
    ours = SqueezeExcitation(8, mid_channels=3, gate=gate)
    theirs = TorchvisionSqueezeExcitation(8, 3, scale_activation=gate)
    copy_weights(theirs, ours, NAMES)
    assert_same_training(ours, theirs, torch.randn(3, 8, 5, 7), NAMES, training=True)


def test_shut_gates_at_the_end_of_a_residual_branch_leave_the_shortcut():
    block = ResidualBlock(8, norm=nn.BatchNorm2d, activation=None)
    excitation = SqueezeExcitation(8)
    block.residual.append(excitation)
    nn.init.zeros_(excitation.excite.weight)
    nn.init.constant_(excitation.excite.bias, -1000)
    images = torch.randn(2, 8, 5, 5)
    assert_close(block(images), images)


def test_factors_depend_on_the_means_of_the_channels_alone():
    block = SqueezeExcitation(4).eval()
    images = torch.rand(1, 4, 3, 3) + 0.5
    shuffled = images.flatten(2)[..., torch.randperm(9)].unflatten(2, (3, 3))
    assert_close((block(images) / images).mean((2, 3)), (block(shuffled) / shuffled).mean((2, 3)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"mid_channels": 0}, "mid_channels must be at least 1, got 0"),
    ],
)
def test_sizes_below_one_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SqueezeExcitation(**{"in_channels": 4} | settings)


def test_other_inputs_are_refused():
    with pytest.raises(ValueError, match=r"SqueezeExcitation expects inputs of shape \(N, 4, H, W\), got"):
        SqueezeExcitation(4)(torch.randn(2, 3, 5, 5))
