import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo.blocks import InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionV1


@pytest.mark.parametrize(("in_channels", "expected"), [(10, 19_104), (20, 19_824)])
def test_the_courses_block_counts(in_channels: int, expected: int):
    block = InceptionA(in_channels)
    assert sum(parameter.numel() for parameter in block.parameters()) == expected == 72 * in_channels + 18_384
    assert block(torch.zeros(3, in_channels, 12, 12)).shape == (3, 88, 12, 12)
    assert block.out_channels == 88


def test_the_courses_block_has_no_activation_inside():
    block = InceptionA(3, bias=False).double()
    first, second = torch.randn(2, 1, 3, 6, 6, dtype=torch.float64)
    assert_close(block(first - 2 * second), block(first) - 2 * block(second))


def test_branches_come_in_order():
    block = InceptionA(3, branch1x1=1, branch5x5=(2, 3), branch3x3dbl=(2, 2, 4), pool_features=5)
    images = torch.randn(2, 3, 6, 6)
    branches = (block.branch1x1, block.branch5x5, block.branch3x3dbl, block.branch_pool)
    parts = block(images).split([1, 3, 4, 5], dim=1)
    for part, branch in zip(parts, branches, strict=True):
        assert_close(part, branch(images))


@pytest.mark.parametrize(
    ("block", "settings", "message"),
    [
        (InceptionA, {"branch5x5": (16,)}, r"branch5x5 must be 2 integers of at least 1, got \(16,\)"),
        (InceptionA, {"branch5x5": 24}, "branch5x5 must be 2 integers of at least 1, got 24"),
        (InceptionA, {"branch5x5": (16, 24.0)}, r"branch5x5 must be 2 integers of at least 1, got \(16, 24"),
        (
            InceptionA,
            {"branch3x3dbl": (16, 0, 24)},
            r"branch3x3dbl must be 3 integers of .*, got \(16, 0, 24\)",
        ),
        (InceptionA, {"branch1x1": 0}, "branch1x1 must be at least 1, got 0"),
        (InceptionA, {"pool_features": -1}, "pool_features must be at least 1, got -1"),
        (InceptionA, {"in_channels": 0}, "in_channels must be at least 1, got 0"),
        (InceptionV1, {"branch1x1": 0}, "branch1x1 must be at least 1, got 0"),
        (InceptionV1, {"branch3x3": 96}, "branch3x3 must be 2 integers of at least 1, got 96"),
        (InceptionV1, {"branch5x5": (16, 0)}, r"branch5x5 must be 2 integers of at least 1, got \(16, 0\)"),
        (InceptionV1, {"kernel_size": 4}, "kernel_size must be odd, got 4"),
        (InceptionB, {"branch3x3": 0}, "branch3x3 must be at least 1, got 0"),
        (InceptionB, {"branch3x3dbl": (64, 96)}, r"branch3x3dbl must be 3 integers of .*, got \(64, 96\)"),
        (InceptionC, {"branch7x7": 128}, "branch7x7 must be 3 integers of at least 1, got 128"),
        (InceptionC, {"branch7x7dbl": (8, 8)}, r"branch7x7dbl must be 5 integers of .*, got \(8, 8\)"),
        (InceptionC, {"pool_features": 0}, "pool_features must be at least 1, got 0"),
        (InceptionD, {"in_channels": 0}, "in_channels must be at least 1, got 0"),
        (InceptionD, {"branch3x3": (192,)}, r"branch3x3 must be 2 integers of at least 1, got \(192,\)"),
        (InceptionD, {"branch7x7x3": (8, 8)}, r"branch7x7x3 must be 4 integers of .*, got \(8, 8\)"),
        (InceptionE, {"branch1x1": 0}, "branch1x1 must be at least 1, got 0"),
        (InceptionE, {"branch3x3": (8, 8)}, r"branch3x3 must be 3 integers of at least 1, got \(8, 8\)"),
        (InceptionE, {"branch3x3dbl": (8, 8)}, r"branch3x3dbl must be 4 integers of .*, got \(8, 8\)"),
    ],
)
def test_branches_of_another_length_and_sizes_below_one_are_refused(
    block: type, settings: dict, message: str
):
    with pytest.raises(ValueError, match=message):
        block(**{"in_channels": 3} | settings)


def test_norm_and_activation_follow_every_convolution():
    block = InceptionA(3, norm=nn.BatchNorm2d, activation=nn.ReLU)
    convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(convs) == len(norms) == 7
    assert all(conv.bias is None for conv in convs)
    assert block(torch.randn(2, 3, 6, 6)).min() >= 0


def test_a_branch_of_v1_has_the_papers_kernel_on_request():
    block = InceptionV1(3, branch5x5=(2, 4), kernel_size=5, norm=None)
    _, conv = block.branch5x5
    assert conv.conv.weight.shape == (4, 2, 5, 5)
    assert conv.conv.bias is not None
    images = torch.randn(2, 3, 6, 6)
    maps = block(images).split([64, 128, 4, 32], dim=1)
    first, last = (part.conv for part in block.branch5x5)
    assert_close(maps[2], F.relu(F.conv2d(F.relu(first(images)), last.weight, last.bias, padding=2)))


def test_reductions_keep_the_input_beside_what_they_compute():
    images = torch.randn(2, 3, 7, 9)
    for block in (InceptionB(3), InceptionD(3)):
        assert torch.equal(block(images)[:, -3:], F.max_pool2d(images, 3, stride=2))
        assert block(images).shape == (2, block.out_channels, 3, 4)


def test_a_split_kernel_keeps_rows_and_columns_apart():
    block = InceptionE(3, branch1x1=1, branch3x3=(2, 3, 4), branch3x3dbl=(2, 3, 4, 5), pool_features=6)
    assert block.out_channels == 1 + (3 + 4) + (4 + 5) + 6
    images = torch.randn(2, 3, 6, 6)
    rows, columns = block.eval()(images)[:, 1:8].split([3, 4], dim=1)
    squeezed = block.branch3x3[0](images)
    assert_close(rows, block.branch3x3[1].row(squeezed))
    assert_close(columns, block.branch3x3[1].column(squeezed))


def test_a_branch_that_is_taken_away_or_repeated_counts_as_such():
    block = InceptionV1(3, norm=None)
    images = torch.randn(2, 3, 6, 6)
    whole = block(images)
    setattr(block, "branch1x1", None)  # noqa: B010 - as a user does
    assert torch.equal(block(images), whole[:, 64:])
    block.branch_pool = block.branch5x5
    assert torch.equal(block(images)[:, -64:-32], block(images)[:, -32:])
