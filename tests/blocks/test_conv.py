from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo.blocks import ConvNormAct

# course.md, golden values: a 5x5 image under the kernel 1..9
IMAGE = torch.tensor([[3, 4, 6, 5, 7], [2, 4, 6, 8, 2], [1, 6, 7, 8, 4], [9, 7, 4, 6, 2], [3, 7, 5, 4, 1]])
KERNEL = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)


def _convolve(**settings) -> torch.Tensor:
    conv = ConvNormAct(1, 1, 3, activation=None, bias=False, **settings)
    conv.conv.weight.data.copy_(KERNEL)
    return conv(IMAGE.reshape(1, 1, 5, 5).float())[0, 0]


def test_the_convolution_by_hand():
    assert _convolve(padding=0).tolist() == [[211, 295, 262], [259, 282, 214], [251, 253, 169]]
    assert _convolve(padding=0, stride=2).tolist() == [[211, 262], [251, 169]]
    assert _convolve(padding=1)[0].tolist() == [91, 168, 224, 215, 127]
    assert torch.equal(_convolve(), _convolve(padding=1))


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_same_size_keeps_the_size_at_stride_1(kernel_size: int, size: int):
    conv = ConvNormAct(2, 3, kernel_size=kernel_size)
    assert conv(torch.zeros(1, 2, size, size)).shape == (1, 3, size, size)


def test_even_kernels_work_with_padding_of_their_own():
    assert ConvNormAct(1, 1, kernel_size=4, padding=1)(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 7, 7)


def test_equals_torch_layers_in_a_row():
    ours = ConvNormAct(4, 6, kernel_size=3, stride=2, groups=2, norm=nn.BatchNorm2d, activation=nn.ReLU)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
    theirs = nn.Sequential(conv, nn.BatchNorm2d(6), nn.ReLU())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.randn(2, 4, 7, 7)
    assert torch.equal(ours(images), theirs(images))


def test_relu_acts_unless_another_activation_is_given():
    images = torch.randn(2, 3, 6, 6)
    default, linear = ConvNormAct(3, 16, 3), ConvNormAct(3, 16, 3, activation=None)
    linear.load_state_dict(default.state_dict())
    assert torch.equal(default(images), linear(images).relu())
    assert (linear(images) < 0).any()


@pytest.mark.parametrize(
    ("norm", "bias", "expected"),
    [(None, None, True), (nn.BatchNorm2d, None, False), (nn.BatchNorm2d, True, True), (None, False, False)],
)
def test_bias_is_there_unless_there_is_a_norm(norm, bias, expected: bool):
    conv = ConvNormAct(1, 2, kernel_size=3, norm=norm, bias=bias)
    assert (conv.conv.bias is not None) is expected


def test_norms_and_activations_are_built_afresh():
    conv = ConvNormAct(4, 6, kernel_size=3, norm=partial(nn.GroupNorm, 3), activation=nn.PReLU, device="meta")
    assert conv.norm.num_groups == 3
    assert conv.activation.weight.is_meta


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd, got 4"),
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"out_channels": -2}, "out_channels must be at least 1, got -2"),
        ({"stride": 0}, "stride must be at least 1, got 0"),
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"groups": 2, "out_channels": 4}, "in_channels must be a multiple of groups=2, got 1"),
        ({"groups": 2, "in_channels": 4}, "out_channels must be a multiple of groups=2, got 1"),
        ({"kernel_size": (3, 4)}, r"kernel_size must be odd, got \(3, 4\)"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size must be 2 integers of at least 1, got \(3, 3, 3\)"),
        ({"padding": -1}, 'padding must be "same-size" or one or two integers of at least 0, got -1'),
        ({"padding": (1, -1)}, r'padding must be "same-size" or one or two .* at least 0, got \(1, -1\)'),
        ({"padding": "same"}, "padding must be \"same-size\" or one or two .* at least 0, got 'same'"),
    ],
)
def test_sizes_below_one_even_kernels_and_other_paddings_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        ConvNormAct(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3} | settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm": nn.BatchNorm2d(1)}, r"norm must be a class such as .*, got BatchNorm2d\(1"),
        ({"activation": nn.ReLU()}, r"activation must be a class such as .*, got ReLU\(\)"),
        ({"activation": "relu"}, "activation must be a class such as nn.ReLU, got 'relu'"),
        ({"activation": torch.relu}, "activation must need no arguments, got <built-in .* relu"),
        (
            {"norm": nn.GroupNorm},
            r"norm must take .* \(functools.partial .*\), got <class .*GroupNorm'>: .*missing",
        ),
        ({"in_channels": 64 / 2}, r"in_channels must be an integer, got 32\.0"),
        ({"kernel_size": 3.0}, r"kernel_size must be an integer, got 3\.0"),
        ({"stride": "2"}, "stride must be an integer, got '2'"),
    ],
)
def test_arguments_of_another_type_are_refused(settings: dict, message: str):
    with pytest.raises(TypeError, match=message):
        ConvNormAct(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3} | settings)


def test_numpys_integers_are_integers():
    assert ConvNormAct(np.int64(1), np.int32(2), kernel_size=3).out_channels == 2


@pytest.mark.parametrize(
    ("padding", "zeros"), [("same-size", (0, 3)), ((0, 3), (0, 3)), (2, (2, 2)), ((2, 0), (2, 0))]
)
def test_rectangular_kernels_and_paddings_are_torchs(padding, zeros):
    conv = ConvNormAct(2, 3, (1, 7), padding=padding)
    images = torch.randn(2, 2, 9, 11)
    expected = F.conv2d(images, conv.conv.weight, conv.conv.bias, padding=zeros).relu()
    assert_close(conv(images), expected)


def test_closed_form_of_a_box_kernel():
    conv = ConvNormAct(1, 1, kernel_size=3, bias=False, activation=nn.Tanh)
    nn.init.constant_(conv.conv.weight, 1 / 9)
    inner = conv(torch.ones(1, 1, 4, 4))[0, 0, 1:3, 1:3]
    assert_close(inner, torch.full((2, 2), 1.0).tanh())
