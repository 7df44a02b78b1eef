"""ResNet: sizes, stems, orders, shortcuts, and what is refused."""

from functools import partial

import pytest
import torch
from torch import nn

from practicezoo import BottleneckBlock, ResNet, create_model
from practicezoo.blocks import Scale
from support.slow import slow_unless

# of torchvision and of the paper's table 6, with its "0.27M" for 20 layers, "0.85M" for 56, "1.7M" for 110
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "wide_resnet50_2": 68_883_240,
    "resnext50_32x4d": 25_028_904,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
}
CIFAR = [name for name, count in PARAMETERS.items() if count < 2e6]


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_numbers_of_parameters(name, expected):
    assert count(create_model(name, device="meta")) == expected


@pytest.mark.parametrize("name", slow_unless(CIFAR, {"resnet20"}))
def test_cifars_networks(name):
    model = create_model(name)
    depth = int(name.removeprefix("resnet"))
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) + 1 == depth  # and the head; option A has no parameters
    assert count(create_model(name, preactivation=True)) == count(model)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    stages = [tuple(stage) for stage in model.feature_info]
    assert stages == [
        ("features.stem", 16, 1),
        ("features.layer1", 16, 1),
        ("features.layer2", 32, 2),
        ("features.layer3", 64, 4),
    ]


def test_stages_of_the_imagenet_networks():
    model = create_model("resnet50", device="meta")
    assert [stage.channels for stage in model.feature_info] == [64, 256, 512, 1024, 2048]
    assert [stage.reduction for stage in model.feature_info] == [4, 4, 8, 16, 32]


@pytest.mark.parametrize("size", [(1, 1), (33, 7), (96, 64)])
def test_images_of_any_size(size):
    model = ResNet(3, 5, depths=(1, 1), channels=(4, 8), stem_channels=4).eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, 5)


def test_preactivation_by_its_formula():
    model = ResNet(3, 5, depths=(2, 1), channels=(4, 8), stem="small", stem_channels=4, preactivation=True)
    stages = dict(model.eval().features.named_children())
    images = torch.randn(2, 3, 8, 8)
    features = stages["stem"](images)
    assert (features >= 0).all()  # activated before both paths of the first block
    first, second = stages["layer1"].children()
    assert [type(part).__name__ for part in first.residual] == ["ConvNormAct"] * 2
    features = features + first.residual(features)
    features = features + second.residual(features)
    (third,) = stages["layer2"].children()
    features = third.shortcut.projection(features) + third.residual(features)
    torch.testing.assert_close(model.forward_features(images), stages["last"](features))
    assert [type(part) for part in stages["last"].children()] == [nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, None])
@pytest.mark.parametrize("preactivation", [True, False])
def test_zero_init_starts_every_block_as_its_shortcut(norm, preactivation):
    settings = {"norm": norm, "preactivation": preactivation, "stem": "small", "stem_channels": 4}
    model = ResNet(3, 5, depths=(2, 2), channels=(4, 8), zero_init=True, **settings).eval()
    for stage in (model.features.layer1, model.features.layer2):
        for block in stage:
            residual = block.residual(torch.randn(1, block.in_channels, 6, 6))
            assert not residual.any()


def test_shortcuts_are_made_for_each_block():
    model = ResNet(3, 5, depths=(2, 1), channels=(4, 8), stem_channels=4, shortcut="scale")
    joined = [part for part in model.modules() if isinstance(part, Scale)]
    assert len({id(part) for part in joined}) == 3


@pytest.mark.parametrize("shortcut", ["exclusive_gate", "shortcut_gate"])
def test_gates_keep_their_own_start(shortcut):
    model = ResNet(3, 5, depths=(1,), channels=(64,), shortcut=shortcut)
    gate = model.features.layer1[0].shortcut.gate
    assert (gate.bias == -6).all()
    assert gate.weight.abs().max() <= 64**-0.5  # nn.Conv2d's own start


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"stem_channels": 0}, "stem_channels must be at least 1, got 0"),
        ({"depths": (2, 0)}, r"depths must be one or more integers of at least 1, got \(2, 0\)"),
        ({"depths": ()}, r"depths must be one or more integers of at least 1, got \(\)"),
        ({"channels": (4,)}, r"channels must be 2 integers of at least 1, got \(4,\)"),
        ({"stem": "large"}, "stem must be one of imagenet, small, got 'large'"),
        ({"shortcut": "none"}, "shortcut must be one of auto, identity, .*, got 'none'"),
        ({"shortcut": "identity"}, 'shortcut "identity" needs equal channels and stride 1, got .*stride=2'),
        (
            {"block": partial(BottleneckBlock, groups=3)},
            "mid_channels must be a multiple of groups=3, got 1",
        ),
    ],
)
def test_settings_that_make_no_network(settings, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**{"depths": (1, 1), "channels": (4, 8), "stem_channels": 4} | settings)


def test_an_unknown_keyword_is_named_with_those_there_are():
    with pytest.raises(TypeError, match=r"resnet50 has no keyword 'depth'; its keywords are .*depths"):
        create_model("resnet50", depth=3)


def test_other_numbers_of_channels_are_refused_when_it_runs():
    with pytest.raises(
        ValueError, match=r"ResNet expects images of shape \(N, 3, H, W\), got \(2, 1, 32, 32\)"
    ):
        create_model("resnet20")(torch.zeros(2, 1, 32, 32))
