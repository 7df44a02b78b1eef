import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo import feature_maps
from practicezoo.blocks import ConvNormAct, InceptionA, ResidualBlock
from practicezoo.models import (
    CNN,
    ImageClassifier,
    InceptionNet,
    ResidualNet,
    create_model,
    lecture_stage,
    notes_stage,
)

NETS = [CNN, InceptionNet, ResidualNet]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("model", "expected", "features"),
    [
        (CNN(), 8_490, (20, 4, 4)),
        (InceptionNet(), 97_298, (88, 4, 4)),
        (ResidualNet(), 41_514, (32, 4, 4)),
        (ResidualNet(channels=(10, 20), stage=notes_stage), 14_570, (20, 7, 7)),
    ],
    ids=["cnn", "inception", "resnet", "resnet_notes"],
)
def test_counts_and_shapes_of_the_course(model: ImageClassifier, expected: int, features: tuple[int, ...]):
    assert _count(model) == expected
    images = torch.randn(2, 1, 28, 28)
    assert model.forward_features(images).shape == (2, *features)
    assert model(images).shape == (2, 10)


def test_the_cnns_sizes_shrink_as_in_the_course():
    sizes = []
    model = CNN()
    for layer in model.modules():
        if isinstance(layer, ConvNormAct | nn.MaxPool2d):
            layer.register_forward_hook(lambda _layer, _inputs, output: sizes.append(output.shape[-1]))
    model(torch.zeros(1, 1, 28, 28))
    assert sizes == [24, 12, 8, 4]


def test_pooling_first_changes_no_bit():
    model = CNN()
    images = torch.randn(64, 1, 28, 28)
    features = images
    for stage in model.features:  # the notes' order: activation, pooling, activation
        features = F.relu(F.max_pool2d(F.relu(stage.conv(features)), 2))
    assert torch.equal(model.forward_features(images), features)
    ours = torch.autograd.grad(model(images).square().sum(), list(model.parameters()))
    theirs = torch.autograd.grad(model.head(features.flatten(1)).square().sum(), list(model.parameters()))
    assert_close(ours, theirs)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("in_channels", "num_classes", "image_size"), [(3, 47, 32), (1, 2, 20), (2, 1, 29)])
def test_sizes_are_derived(net, in_channels: int, num_classes: int, image_size: int):
    model = net(in_channels, num_classes, image_size=image_size)
    images = torch.randn(2, in_channels, image_size, image_size)
    assert model(images).shape == (2, num_classes)
    assert (model.in_channels, model.num_classes, model.image_size) == (in_channels, num_classes, image_size)
    assert model.head.in_features == model.forward_features(images)[0].numel()


@pytest.mark.parametrize("channels", [(), (4,), (4, 5, 6)])
@pytest.mark.parametrize("net", NETS)
def test_any_number_of_stages(net, channels: tuple[int, ...]):
    model = net(channels=channels, image_size=36)
    assert len(model.features) == len(channels)
    assert model.channels == channels
    assert model(torch.randn(2, 1, 36, 36)).shape == (2, 10)


@pytest.mark.parametrize("net", NETS)
def test_images_of_another_size_are_an_error_naming_both(net):
    message = rf"{net.__name__} expects images of shape \(N, 1, 28, 28\), got \(16, 1, 32, 32\)"
    with pytest.raises(ValueError, match=message):
        net()(torch.zeros(16, 1, 32, 32))
    with pytest.raises(ValueError, match=r"expects images of shape \(N, 1, 28, 28\), got \(2, 3, 28, 28\)"):
        net()(torch.zeros(2, 3, 28, 28))
    with pytest.raises(ValueError, match=r"expects images of shape \(N, 1, 28, 28\), got \(1, 28, 28\)"):
        net()(torch.zeros(1, 28, 28))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("image_size", [4, 14, 15])
def test_images_too_small_for_the_net_are_an_error(net, image_size: int):
    message = rf"in_channels and image_size must suit {net.__name__}'s layers, got 1 and {image_size}: .*size"
    with pytest.raises(ValueError, match=message):
        net(image_size=image_size)
    assert net(image_size=16)(torch.zeros(1, 1, 16, 16)).shape == (1, 10)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("argument", ["in_channels", "num_classes", "image_size"])
def test_sizes_below_one_are_named(net, argument: str):
    with pytest.raises(ValueError, match=f"{argument} must be at least 1, got 0"):
        net(**{argument: 0})


@pytest.mark.parametrize("net", NETS)
def test_sizes_that_are_no_integers_are_named(net):
    with pytest.raises(TypeError, match=r"image_size must be an integer, got \(28, 28\)"):
        net(image_size=(28, 28))
    with pytest.raises(TypeError, match=r"num_classes must be an integer, got 2\.5"):
        net(num_classes=2.5)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("channels", [10, (10, 0), (10, -20), (10, 20.0)], ids=str)
def test_channels_must_be_integers_of_at_least_one(net, channels):
    message = re.escape(f"channels must be integers of at least 1, got {channels}")
    with pytest.raises(ValueError, match=message):
        net(channels=channels)


def test_features_that_do_not_suit_the_images_are_an_error():
    message = "in_channels and image_size must suit ImageClassifier's layers, got 3 and 28: .*channel"
    with pytest.raises(ValueError, match=message):
        ImageClassifier(nn.Conv2d(1, 8, 3), in_channels=3)
    with pytest.raises(ValueError, match=r"InceptionA expects inputs of shape \(N, 1, H, W\), got \(1, 3,"):
        ImageClassifier(InceptionA(1), in_channels=3)
    with pytest.raises(TypeError, match=r"features must be an nn\.Module, got <class .*InceptionA'>"):
        ImageClassifier(InceptionA)


@pytest.mark.parametrize("net", NETS)
def test_norm_and_activation_are_passed_on(net):
    model = net(norm=nn.BatchNorm2d, activation=nn.Tanh)
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert all(conv.bias is None for conv in convs)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == len(convs)


def test_activations_inside_inception_blocks_are_an_option():
    def count(model: nn.Module) -> int:
        return sum(isinstance(module, nn.ReLU) for module in model.modules())

    assert count(InceptionNet()) == 2
    assert count(InceptionNet(block_activation=nn.ReLU)) == 2 + 2 * 7


def test_stages_can_be_the_users_own():
    def stage(in_channels: int, out_channels: int, **settings) -> nn.Module:
        return lecture_stage(in_channels, out_channels, kernel_size=3, shortcut="scale", **settings)

    model = ResidualNet(3, stage=stage, image_size=32)
    assert model.features[0].conv.kernel_size == 3
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_networks_the_course_never_drew():
    features = nn.Sequential(
        InceptionA(3), ResidualBlock(88, 16, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model = ImageClassifier(features, in_channels=3, num_classes=4, image_size=17)
    images = torch.randn(2, 3, 17, 17)
    assert model.head.in_features == 16
    assert model.forward_features(images).shape == (2, 16)
    assert model(images).shape == (2, 4)


def test_finding_the_size_leaves_the_features_as_they_are():
    norm = nn.BatchNorm2d(3)
    features = nn.Sequential(nn.Dropout(0.5), norm).eval()
    ImageClassifier(features, in_channels=3)
    assert not features.training
    assert norm.num_batches_tracked == 0
    assert norm.weight.device.type == "cpu"


def test_the_tiny_networks_features_are_a_mean_over_pixels():
    model = create_model("mnist_tiny", channels=(4, 6, 8), image_size=32)
    assert model.forward_features(torch.zeros(2, 1, 32, 32)).shape == (2, 8, 1, 1)
    assert model.head.in_features == 8


def test_the_tiny_network_has_three_widths():
    with pytest.raises(ValueError, match=r"channels must be 3 integers of at least 1, got \(8, 16\)"):
        create_model("mnist_tiny", channels=(8, 16))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CNN(), [("features.0", 10, 2), ("features.1", 20, 4)]),
        (CNN(channels=(3, 4, 5), image_size=64), [(f"features.{i}", 3 + i, 2 << i) for i in range(3)]),
        (InceptionNet(), [("features.0", 88, 2), ("features.1", 88, 4)]),
        (ResidualNet(), [("features.0", 16, 2), ("features.1", 32, 4)]),
    ],
    ids=["cnn", "deep", "inception", "residual"],
)
def test_feature_info_gives_channels_and_reduction_of_each_stage(model, expected):
    assert model.feature_info == expected


def test_feature_info_names_what_runs_and_has_that_shape():
    model = ImageClassifier(
        nn.Sequential(nn.Conv2d(1, 3, 3, stride=3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), image_size=24
    )
    info = model.feature_info
    assert info == [("features.0", 3, 3), ("features.1", 3, 24)]  # a vector is no map
    maps = feature_maps(model, torch.randn(2, 1, 24, 24), [stage.name for stage in info])
    assert [maps[stage.name].shape[1] for stage in info] == [stage.channels for stage in info]


def test_feature_info_computes_without_data():
    model, devices = CNN(), set()
    model.features.register_forward_hook(lambda _module, _inputs, output: devices.add(output.device.type))
    assert model.feature_info
    assert devices == {"meta"}


def test_feature_info_of_features_that_are_one_module_or_take_one_size():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1)
            self.norm = nn.LayerNorm([4, 8, 8])

        def forward(self, images):
            return self.norm(self.conv(images))

    assert ImageClassifier(Own(), image_size=16).feature_info == [("features", 4, 2)]


def test_counting_features_leaves_parts_in_their_modes_and_their_statistics():
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    features[1].eval()
    before = {name: tensor.clone() for name, tensor in features.state_dict().items()}
    model = ImageClassifier(features, image_size=8)
    assert [part.training for part in model.features] == [True, False, True]
    assert model.head.in_features == 4 * 6 * 6
    assert all(torch.equal(tensor, before[name]) for name, tensor in features.state_dict().items())


@pytest.mark.parametrize("channels", [(8, 8), (8, 8, 8, 8), (8, 0, 8)])
def test_mnist_fast_has_three_convolutions(channels):
    with pytest.raises(ValueError, match=r"channels must be 3 integers of at least 1, got \(8, "):
        create_model("mnist_fast", channels=channels)


def test_images_of_any_size_are_averaged():
    features = nn.Conv2d(3, 8, 3, stride=2)
    model = ImageClassifier(features, in_channels=3, num_classes=4, image_size=None)
    images = torch.randn(2, 3, 17, 40)
    assert_close(model(images), model.head(features(images).mean((2, 3))))
    assert model(model.example_inputs()).shape == (2, 4)
    assert model.feature_info == [("features", 8, 2)]
    with pytest.raises(ValueError, match=r"images of shape \(N, 3, H, W\), got \(2, 1, 9, 9\)"):
        model(torch.zeros(2, 1, 9, 9))


def test_a_vector_has_no_places_to_average():
    with pytest.raises(ValueError, match=r"features must give maps \(N, C, H, W\) .*, got \(1, 3\)"):
        ImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 3)), image_size=None)
