import pytest
import torch
from torch import nn
from torchvision.models.densenet import _DenseBlock, _Transition

from practicezoo.blocks import DenseBlock, Transition
from support.parity import assert_same_training, copy_weights

DENSE_NAMES = {
    **{f"denselayer{number + 1}": f"layers.{number}" for number in range(6)},
    "norm1": "0",
    "conv1": "2.conv",
    "norm2": "2.norm",
    "conv2": "3.conv",
}
TRANSITION_NAMES = {"conv.": "conv.conv."}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("num_layers", "expected"), [(1, 45_440), (6, 335_040)])
def test_dense_counts_and_channels(num_layers: int, expected: int):
    block = DenseBlock(64, growth_rate=32, num_layers=num_layers)
    assert _count(block) == expected
    assert block.out_channels == 64 + 32 * num_layers


def test_transition_counts():
    assert _count(Transition(256, 128)) == 33_280


@pytest.mark.parametrize("training", [True, False])
def test_dense_block_equals_torchvision(training: bool):
    ours = DenseBlock(8, growth_rate=4, num_layers=3, bottleneck=2)
    theirs = _DenseBlock(3, 8, bn_size=2, growth_rate=4, drop_rate=0.0)
    copy_weights(theirs, ours, DENSE_NAMES)
    assert_same_training(ours, theirs, torch.randn(3, 8, 6, 6), DENSE_NAMES, training=training)


def test_dropout_equals_torchvision():
    ours = DenseBlock(8, growth_rate=4, num_layers=2, dropout=0.3)
    theirs = _DenseBlock(2, 8, bn_size=4, growth_rate=4, drop_rate=0.3)
    copy_weights(theirs, ours, DENSE_NAMES)
    images = torch.randn(3, 8, 6, 6)
    torch.manual_seed(0)
    expected = theirs(images)
    torch.manual_seed(0)
    torch.testing.assert_close(ours(images), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [6, 7])
def test_transition_equals_torchvision(size: int, training: bool):
    ours, theirs = Transition(8, 4), _Transition(8, 4)
    copy_weights(theirs, ours, TRANSITION_NAMES)
    images = torch.randn(3, 8, size, size)
    assert_same_training(ours, theirs, images, TRANSITION_NAMES, training=training)


def test_the_input_passes_through():
    images = torch.randn(2, 4, 5, 5)
    assert torch.equal(DenseBlock(4, growth_rate=2, num_layers=3)(images)[:, :4], images)


def test_biases_appear_without_a_norm():
    for module in (DenseBlock(4, growth_rate=2, num_layers=1, norm=None), Transition(4, 2, norm=None)):
        assert all(part.bias is not None for part in module.modules() if isinstance(part, nn.Conv2d))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"growth_rate": 0}, "growth_rate must be at least 1, got 0"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"bottleneck": 0}, "bottleneck must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_sizes_below_one_and_dropout_outside_its_range_are_refused(wrong: dict, message: str):
    with pytest.raises(ValueError, match=message):
        DenseBlock(**({"in_channels": 4, "growth_rate": 2, "num_layers": 1} | wrong))


def test_a_transition_refuses_channels_below_one():
    with pytest.raises(ValueError, match="in_channels must be at least 1, got 0"):
        Transition(0, 1)
    with pytest.raises(ValueError, match="out_channels must be at least 1, got 0"):
        Transition(1, 0)
