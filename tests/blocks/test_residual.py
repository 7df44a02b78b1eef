import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from torchvision.models.resnet import BasicBlock, Bottleneck

from practicezoo.blocks import BottleneckBlock, ResidualBlock
from support.parity import assert_same_training, copy_weights

BASIC_NAMES = {
    "conv1": "residual.0.conv",
    "bn1": "residual.0.norm",
    "conv2": "residual.1.conv",
    "bn2": "residual.1.norm",
    "downsample.0": "shortcut.projection.conv",
    "downsample.1": "shortcut.projection.norm",
}

BOTTLENECK_NAMES = BASIC_NAMES | {"conv3": "residual.2.conv", "bn3": "residual.2.norm"}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _basic_block(in_channels: int, out_channels: int, stride: int) -> BasicBlock:
    projection = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )
    same = in_channels == out_channels and stride == 1
    return BasicBlock(in_channels, out_channels, stride, None if same else projection)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (ResidualBlock(16), 4_640),
        (ResidualBlock(32), 18_496),
        (ResidualBlock(1, 10, mid_channels=1, shortcut="conv3x3"), 210),
        (ResidualBlock(10, 20, mid_channels=10, shortcut="conv3x3"), 4_550),
        (ResidualBlock(64, norm=nn.BatchNorm2d), 73_984),
        (ResidualBlock(64, 128, stride=2, norm=nn.BatchNorm2d), 230_144),
    ],
)
def test_counts(block: ResidualBlock, expected: int):
    assert _count(block) == expected


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("out_channels", "stride"), [(8, 1), (8, 2), (12, 1), (12, 2)])
def test_equals_torchvision(out_channels: int, stride: int, training: bool):
    ours = ResidualBlock(8, out_channels, stride=stride, norm=nn.BatchNorm2d)
    theirs = _basic_block(8, out_channels, stride)
    copy_weights(theirs, ours, BASIC_NAMES)
    assert_same_training(ours, theirs, torch.randn(3, 8, 7, 7), BASIC_NAMES, training=training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("in_channels", "out_channels", "stride", "groups", "width"),
    [(16, 16, 1, 1, 4), (8, 16, 2, 1, 4), (8, 16, 1, 2, 8), (16, 32, 2, 2, 8), (16, 16, 1, 1, 8)],
)
def test_bottleneck_equals_torchvision(in_channels, out_channels, stride, groups, width, *, training):
    planes = out_channels // 4
    base_width = 64 * width // (planes * groups)
    ours = BottleneckBlock(
        in_channels, out_channels, mid_channels=width, stride=stride, groups=groups, norm=nn.BatchNorm2d
    )
    projection = None
    if in_channels != out_channels or stride != 1:
        conv = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        projection = nn.Sequential(conv, nn.BatchNorm2d(out_channels))
    theirs = Bottleneck(in_channels, planes, stride, projection, groups=groups, base_width=base_width)
    copy_weights(theirs, ours, BOTTLENECK_NAMES)
    images = torch.randn(3, in_channels, 7, 7)
    assert_same_training(ours, theirs, images, BOTTLENECK_NAMES, training=training)


def test_bottleneck_takes_the_shortcuts_and_orders_of_residual_blocks():
    block = BottleneckBlock(8, shortcut="scale", preactivation=True, norm=nn.BatchNorm2d, zero_init=True)
    images = torch.randn(2, 8, 5, 5)
    assert_close(block(images), images / 2)
    assert block.mid_channels == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 3}, "mid_channels must be a multiple of groups=3, got 2"),
        ({"mid_channels": 0}, "mid_channels must be at least 1, got 0"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"out_channels": 4, "shortcut": "pad"}, "out_channels must be at least in_channels=8 to pad, got 4"),
    ],
)
def test_sizes_that_make_no_bottleneck_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        BottleneckBlock(**{"in_channels": 8} | settings)


def test_the_courses_block_by_its_formula():
    block = ResidualBlock(5)
    first, second = (layer.conv for layer in block.residual)
    images = torch.randn(2, 5, 6, 6)
    assert_close(block(images), F.relu(images + second(F.relu(first(images)))))


def test_the_notes_block_by_its_formula():
    block = ResidualBlock(3, 5, mid_channels=3, shortcut="conv3x3")
    first, second = (layer.conv for layer in block.residual)
    beside = block.shortcut.projection.conv
    images = torch.randn(2, 3, 6, 6)
    assert_close(block(images), F.relu(second(F.relu(first(images))) + beside(images)))


def test_preactivation_by_its_formula():
    block = ResidualBlock(3, 5, stride=2, norm=nn.BatchNorm2d, preactivation=True).eval()
    norm1, _, inner, last = block.residual
    for norm in (norm1, inner.norm):
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    images = torch.randn(2, 3, 6, 6)
    residual = last.conv(F.relu(inner.norm(inner.conv(F.relu(norm1(images))))))
    assert_close(block(images), block.shortcut.projection.conv(images) + residual)
    assert isinstance(block.activation, nn.Identity)
    assert isinstance(block.shortcut.projection.norm, nn.Identity)


@pytest.mark.parametrize("preactivation", [True, False])
@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d])
def test_zero_init_starts_with_the_shortcut_alone(norm, preactivation: bool):
    block = ResidualBlock(4, norm=norm, preactivation=preactivation, zero_init=True)
    images = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(images), images if preactivation else images.relu())


def test_zero_init_without_learned_norm_weights_zeroes_the_convolution():
    def norm(num_features: int, **settings) -> nn.Module:
        return nn.BatchNorm2d(num_features, affine=False, **settings)

    block = ResidualBlock(4, norm=norm, zero_init=True)
    assert block.residual[-1].conv.weight.abs().sum() == 0


def test_zero_init_equals_torchvisions():
    ours = ResidualBlock(8, 12, stride=2, norm=nn.BatchNorm2d, zero_init=True)
    zero = {name for name, parameter in ours.named_parameters() if not parameter.any()}
    assert {"residual.1.norm.weight", "residual.1.norm.bias"} <= zero
    assert all(name.endswith("bias") for name in zero - {"residual.1.norm.weight"})


@pytest.mark.parametrize("shortcut", ["auto", "conv1x1", "conv3x3"])
def test_zeroed_last_convolution_leaves_the_activated_shortcut(shortcut: str):
    block = ResidualBlock(4, 6, stride=2, shortcut=shortcut, activation=nn.Tanh)
    nn.init.zeros_(block.residual[-1].conv.weight)
    nn.init.zeros_(block.residual[-1].conv.bias)
    images = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(images), block.shortcut.projection(images).tanh())


def test_bias_can_be_forced():
    block = ResidualBlock(4, 6, norm=nn.BatchNorm2d, bias=True)
    assert all(module.bias is not None for module in block.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd, got 4"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"out_channels": 0}, "out_channels must be at least 1, got 0"),
        ({"mid_channels": -3}, "mid_channels must be at least 1, got -3"),
        (
            {"shortcut": "unknown"},
            "shortcut must be one of auto, identity, .*dropout, or an nn.Module, got 'unknown'",
        ),
        (
            {"shortcut": "identity", "out_channels": 6},
            "needs equal channels and stride 1, got in_channels=4, out_channels=6, stride=1",
        ),
        (
            {"shortcut": "identity", "stride": 2},
            "needs equal channels and stride 1, got in_channels=4, out_channels=4, stride=2",
        ),
        (
            {"shortcut": "pad", "out_channels": 3},
            "out_channels must be at least in_channels=4 to pad, got 3",
        ),
    ],
)
def test_sizes_and_shortcuts_that_cannot_bridge_shapes_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        ResidualBlock(**{"in_channels": 4} | settings)


def test_a_shortcut_is_a_name_or_a_module():
    with pytest.raises(TypeError, match=r"shortcut must be a name or an nn\.Module, got <class"):
        ResidualBlock(4, shortcut=nn.Identity)


def test_nothing_is_broadcast():
    block = ResidualBlock(1, 3, shortcut=nn.Identity())
    with pytest.raises(
        ValueError, match=r"shortcut must give the residual's shape \(2, 3, 6, 6\), got \(2, 1, 6, 6\)"
    ):
        block(torch.zeros(2, 1, 6, 6))
