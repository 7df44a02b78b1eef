"""The Inception blocks equal torchvision's: outputs, gradients, statistics, under copied weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torchvision.models import inception
from torchvision.models.googlenet import Inception

from practicezoo.blocks import InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionV1
from support.parity import assert_same_training, copy_weights

# torchvision's names -> ours
V1_NAMES = {
    "branch1.": "branch1x1.",
    "branch2.": "branch3x3.",
    "branch3.": "branch5x5.",
    "branch4.": "branch_pool.",
    ".bn.": ".norm.",
}
V3_NAMES = {
    "branch_pool.": "branch_pool.1.",
    **{f"_{number}.": f".{number - 1}." for number in range(1, 6)},
    **{f"_{number}a.": f".{number - 1}.row." for number in (2, 3)},
    **{f"_{number}b.": f".{number - 1}.column." for number in (2, 3)},
    ".bn.": ".norm.",
}


class Pair(NamedTuple):
    """A block of ours and of torchvision's, and the number of parameters of both."""

    build: Callable[[], Any]
    reference: Callable[[], nn.Module]
    num_parameters: int
    names: dict[str, str] = V3_NAMES


PAIRS = {
    "V1, 3a": Pair(
        lambda: InceptionV1(192), lambda: Inception(192, 64, 96, 128, 16, 32, 32), 155_872, V1_NAMES
    ),
    "V1, 5b": Pair(
        lambda: InceptionV1(832, branch1x1=384, branch3x3=(192, 384), branch5x5=(48, 128), pool_features=128),
        lambda: Inception(832, 384, 192, 384, 48, 128, 128),
        1_347_040,
        V1_NAMES,
    ),
    "A": Pair(lambda: InceptionA.v3(256, 64), lambda: inception.InceptionA(256, 64), 277_472),
    "B": Pair(lambda: InceptionB(288), lambda: inception.InceptionB(288), 1_153_280),
    "C, 6b": Pair(lambda: InceptionC(768), lambda: inception.InceptionC(768, 128), 1_297_408),
    "C, 6c": Pair(lambda: InceptionC.v3(768, 160), lambda: inception.InceptionC(768, 160), 1_691_008),
    "D": Pair(lambda: InceptionD(768), lambda: inception.InceptionD(768), 1_698_304),
    "E": Pair(lambda: InceptionE(1280), lambda: inception.InceptionE(1280), 5_044_608),
}


@pytest.mark.parametrize("name", PAIRS)
def test_outputs_equal_torchvisions_to_the_bit(name: str):
    pair = PAIRS[name]
    ours, theirs = pair.build(), pair.reference()
    assert sum(parameter.numel() for parameter in ours.parameters()) == pair.num_parameters
    copy_weights(theirs, ours, pair.names)
    images = torch.randn(2, ours.in_channels, 5, 6)
    for training in (True, False):
        output = ours.train(training)(images)
        assert torch.equal(output, theirs.train(training)(images))
        assert output.shape[1] == ours.out_channels


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_trains_as_torchvisions(name: str, training: bool):
    pair = PAIRS[name]
    ours, theirs = pair.build(), pair.reference()
    copy_weights(theirs, ours, pair.names)
    images = torch.randn(2, ours.in_channels, 3, 4)
    assert_same_training(ours, theirs, images, pair.names, training=training)
