import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.ops import Conv2dNormActivation

from practicezoo.blocks import ConvNormAct, DenseBlock, InceptionA, ResidualBlock, Transition, fuse_conv_norm
from practicezoo.models import CNN, ResidualNet

norm = nn.BatchNorm2d


def _trained(module: nn.Module, images: torch.Tensor) -> nn.Module:
    """With norms that have seen data and learned something."""
    for part in module.modules():
        if isinstance(part, norm) and part.affine:
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.uniform_(part.bias, -1, 1)
    for _ in range(3):
        module(images)
    return module.eval()


def _count(module: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize(
    ("make", "norms_left"),
    [
        (lambda: ConvNormAct(3, 6, kernel_size=3, norm=norm, activation=nn.ReLU), 0),
        (lambda: ConvNormAct(3, 6, kernel_size=3, norm=norm, bias=True), 0),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), norm(4, affine=False), nn.ReLU()), 0),
        (lambda: InceptionA.v3(3, 4), 0),
        (lambda: ResidualBlock(3, 6, stride=2, norm=norm), 0),
        (lambda: ResidualBlock(3, 6, norm=norm, preactivation=True), 1),  # nothing is before the first norm
        (lambda: DenseBlock(3, growth_rate=4, num_layers=2), 2),
        (lambda: Transition(3, 4), 1),
        (lambda: CNN(3, image_size=16, norm=norm), 0),
        (lambda: ResidualNet(3, image_size=16, norm=norm), 0),
    ],
)
def test_fused_modules_give_equal_outputs(make, norms_left: int, dtype: torch.dtype, tolerance: float):
    torch.manual_seed(0)
    images = torch.randn(4, 3, 16, 16, dtype=dtype)
    module = _trained(make().to(dtype), images)
    fused = fuse_conv_norm(module)
    assert_close(fused(images), module(images), atol=tolerance, rtol=tolerance)
    assert _count(fused, norm) == norms_left


def test_the_module_itself_is_left_as_it_is():
    module = ResidualBlock(3, norm=norm).train()
    before = copy.deepcopy(module.state_dict())
    fused = fuse_conv_norm(module)
    assert module.training
    assert not fused.training
    assert_close(dict(module.state_dict()), dict(before), rtol=0, atol=0)


def test_torchvisions_blocks_fuse_as_well():
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    block = _trained(Conv2dNormActivation(3, 4).double(), images)
    fused = fuse_conv_norm(block)
    assert _count(fused, norm) == 0
    assert_close(fused(images), block(images), atol=1e-10, rtol=1e-10)


def test_only_true_pairs_fuse():
    shared = nn.ReLU()
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), shared, nn.Conv2d(4, 4, 3), shared, norm(4), norm(4, track_running_stats=False)
    )
    module.append(nn.Conv2d(4, 4, 1)).append(norm(4, track_running_stats=False))
    images = torch.randn(4, 3, 8, 8)
    _trained(module, images)
    fused = fuse_conv_norm(module)
    assert _count(fused, norm) == 3
    assert_close(fused(images), module(images))


def test_a_shared_convolution_fuses_with_each_norm():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    module = nn.Sequential(conv, norm(3), conv, norm(3)).double()
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    _trained(module, images)
    fused = fuse_conv_norm(module)
    assert _count(fused, norm) == 0
    assert_close(fused(images), module(images))


def test_a_subclass_with_a_forward_of_its_own_is_left_alone():
    class Reversed(nn.Sequential):
        def forward(self, images):
            return self[0](self[1](images))

    module = Reversed(nn.Conv2d(3, 3, 1), norm(3)).eval()
    assert _count(fuse_conv_norm(module), norm) == 1


@pytest.mark.parametrize(
    ("conv", "kind", "shape"),
    [(nn.Conv1d, nn.BatchNorm1d, (4, 3, 9)), (nn.Conv3d, nn.BatchNorm3d, (4, 3, 5, 5, 5))],
)
def test_other_dimensions_fuse(conv, kind, shape: tuple[int, ...]):
    module = nn.Sequential(conv(3, 4, 3), kind(4)).double()
    inputs = torch.randn(shape, dtype=torch.float64)
    module(inputs)
    module.eval()
    fused = fuse_conv_norm(module)
    assert _count(fused, kind) == 0
    assert_close(fused(inputs), module(inputs))
