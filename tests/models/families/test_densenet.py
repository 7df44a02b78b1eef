"""DenseNet: sizes, stages, the smallest image, and what is refused."""

import pytest
import torch
from torch import nn

from practicezoo import DenseNet, create_model

PARAMETERS = {
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
}


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_numbers_of_parameters(name, expected):
    model = create_model(name, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_stages():
    stages = create_model("densenet121", device="meta").feature_info
    names = [
        "stem",
        *("dense1", "transition1", "dense2", "transition2", "dense3", "transition3", "dense4"),
        "last",
    ]
    assert [stage.name for stage in stages] == [f"features.{name}" for name in names]
    assert [stage.channels for stage in stages] == [64, 256, 128, 512, 256, 1024, 512, 1024, 1024]
    assert [stage.reduction for stage in stages] == [4, 4, 8, 8, 16, 16, 32, 32, 32]


@pytest.mark.parametrize(("num_blocks", "smallest"), [(1, 1), (2, 5), (3, 13), (4, 29)])
def test_the_smallest_image(num_blocks, smallest):
    model = DenseNet(3, 5, growth_rate=2, depths=(1,) * num_blocks, stem_channels=4).eval()
    assert model(torch.randn(1, 3, smallest, smallest)).shape == (1, 5)
    if smallest > 1:
        message = (
            rf"DenseNet expects images of at least {smallest} x {smallest} pixels, .*, got \(1, 3, 40, 4\)"
        )
        with pytest.raises(ValueError, match=message):
            model(torch.randn(1, 3, 40, 4))
        with pytest.raises(ValueError, match="at least"):
            model(torch.randn(1, 3, smallest - 1, smallest))


def test_dropout_and_parts_are_passed_on():
    model = DenseNet(
        growth_rate=2, depths=(2, 1), stem_channels=4, dropout=0.3, norm=None, activation=nn.SiLU
    )
    parts = list(model.modules())
    assert [part.p for part in parts if isinstance(part, nn.Dropout)] == [0.3] * 3
    assert not any(isinstance(part, nn.BatchNorm2d | nn.ReLU) for part in parts)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"growth_rate": 0}, "growth_rate must be at least 1, got 0"),
        ({"stem_channels": 0}, "stem_channels must be at least 1, got 0"),
        ({"bottleneck": 0}, "bottleneck must be at least 1, got 0"),
        ({"depths": (2, 0)}, r"depths must be one or more integers of at least 1, got \(2, 0\)"),
        ({"depths": ()}, r"depths must be one or more integers of at least 1, got \(\)"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1\.0"),
    ],
)
def test_settings_that_make_no_network(settings, message):
    with pytest.raises(ValueError, match=message):
        DenseNet(**{"growth_rate": 2, "depths": (1, 1), "stem_channels": 4} | settings)
