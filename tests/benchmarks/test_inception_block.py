"""The rewritten forward passes of InceptionA compute what it computes."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.inception_block import VARIANTS, check_equal, plain
from practicezoo.blocks import InceptionA

BLOCKS = {
    "course": partial(InceptionA, 3),
    "v3": partial(InceptionA.v3, 3, 4),
    "norm and bias": partial(InceptionA, 3, norm=nn.BatchNorm2d, activation=nn.PReLU, bias=True),
}


def test_plain_is_the_librarys_own_forward():
    block, images = InceptionA(3), torch.randn(2, 3, 6, 6)
    assert torch.equal(plain(block, images), block(images))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make_block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("forward", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_gives_equal_outputs_gradients_and_averages(forward, make_block, training):
    check_equal(make_block, forward, training=training)


def test_a_variant_that_differs_is_not_timed():
    def half(block, features):
        return plain(block, features) / 2

    with pytest.raises(AssertionError, match="not close"):
        check_equal(BLOCKS["course"], half)
