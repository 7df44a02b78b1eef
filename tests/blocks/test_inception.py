import pytest
import torch
from torch import nn
from torchvision.models.inception import InceptionA as TorchvisionInceptionA

from practicezoo.blocks import InceptionA
from support.parity import assert_same_training, copy_weights

# torchvision's names -> ours
V3_NAMES = {
    "branch1x1": "branch1x1",
    "branch5x5_1": "branch5x5.0",
    "branch5x5_2": "branch5x5.1",
    "branch3x3dbl_1": "branch3x3dbl.0",
    "branch3x3dbl_2": "branch3x3dbl.1",
    "branch3x3dbl_3": "branch3x3dbl.2",
    "branch_pool": "branch_pool.1",
    ".bn.": ".norm.",
}


@pytest.mark.parametrize(("in_channels", "expected"), [(10, 19_104), (20, 19_824)])
def test_the_courses_block_counts(in_channels: int, expected: int):
    block = InceptionA(in_channels)
    assert sum(parameter.numel() for parameter in block.parameters()) == expected == 72 * in_channels + 18_384
    assert block(torch.zeros(3, in_channels, 12, 12)).shape == (3, 88, 12, 12)
    assert block.out_channels == 88


def test_the_courses_block_has_no_activation_inside():
    block = InceptionA(3, bias=False).double()
    first, second = torch.randn(2, 1, 3, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(block(first - 2 * second), block(first) - 2 * block(second))


def test_branches_come_in_order():
    block = InceptionA(3, branch1x1=1, branch5x5=(2, 3), branch3x3dbl=(2, 2, 4), pool_features=5)
    images = torch.randn(2, 3, 6, 6)
    branches = (block.branch1x1, block.branch5x5, block.branch3x3dbl, block.branch_pool)
    parts = block(images).split([1, 3, 4, 5], dim=1)
    for part, branch in zip(parts, branches, strict=True):
        torch.testing.assert_close(part, branch(images))


@pytest.mark.parametrize("training", [True, False])
def test_v3_equals_torchvision(training: bool):
    ours, theirs = InceptionA.v3(192, 32), TorchvisionInceptionA(192, 32)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 255_904
    assert ours.out_channels == 256
    copy_weights(theirs, ours, V3_NAMES)
    assert_same_training(ours, theirs, torch.randn(2, 192, 9, 9), V3_NAMES, training=training)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"branch5x5": (16,)}, r"branch5x5 must be 2 integers of at least 1, got \(16,\)"),
        ({"branch5x5": 24}, "branch5x5 must be 2 integers of at least 1, got 24"),
        ({"branch5x5": (16, 24.0)}, r"branch5x5 must be 2 integers of at least 1, got \(16, 24.0\)"),
        ({"branch3x3dbl": (16, 0, 24)}, r"branch3x3dbl must be 3 integers of at least 1, got \(16, 0, 24\)"),
        ({"branch1x1": 0}, "branch1x1 must be at least 1, got 0"),
        ({"pool_features": -1}, "pool_features must be at least 1, got -1"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
    ],
)
def test_branches_of_another_length_and_sizes_below_one_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        InceptionA(**{"in_channels": 3} | settings)


def test_norm_and_activation_follow_every_convolution():
    block = InceptionA(3, norm=nn.BatchNorm2d, activation=nn.ReLU)
    convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(convs) == len(norms) == 7
    assert all(conv.bias is None for conv in convs)
    assert block(torch.randn(2, 3, 6, 6)).min() >= 0
