"""Every vision block and model with an example input: what the contract tests run over."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from practicezoo.blocks import (
    ConvNormAct,
    DenseBlock,
    InceptionA,
    ResidualBlock,
    Scale,
    Transition,
)
from practicezoo.models import CNN, MLP, ImageClassifier, InceptionNet, ResidualNet, create_model, notes_stage


class Entry(NamedTuple):
    name: str
    make: Callable[..., nn.Module]  # (*, device=None, dtype=None)
    make_input: Callable[[int, torch.dtype], Tensor]  # (batch, dtype)


def _images(*shape: int) -> Callable[[int, torch.dtype], Tensor]:
    def make_input(batch: int, dtype: torch.dtype = torch.float32) -> Tensor:
        generator = torch.Generator().manual_seed(batch)
        return torch.randn(batch, *shape, generator=generator, dtype=torch.float64).to(dtype)

    return make_input


def _scaled_block(*, device=None, dtype=None) -> nn.Module:
    shortcut = Scale(shortcut=0.3, residual=0.7)
    return ResidualBlock(4, shortcut=shortcut, device=device, dtype=dtype)


def _own_shortcut(*, device=None, dtype=None) -> nn.Module:
    shortcut = nn.Conv2d(4, 6, 1, stride=2, device=device, dtype=dtype)
    return ResidualBlock(4, 6, stride=2, shortcut=shortcut, device=device, dtype=dtype)


def _composed(*, device=None, dtype=None) -> nn.Module:
    features = nn.Sequential(
        DenseBlock(3, 2, 2, device=device, dtype=dtype),
        Transition(7, 4, device=device, dtype=dtype),
        ResidualBlock(4, 6, stride=2, norm=nn.BatchNorm2d, device=device, dtype=dtype),
    )
    return ImageClassifier(features, in_channels=3, num_classes=5, image_size=8, device=device, dtype=dtype)


_norm = {"norm": nn.BatchNorm2d}
_relu = {"activation": nn.ReLU}
_narrow = {"branch1x1": 2, "branch5x5": (2, 3), "branch3x3dbl": (2, 2, 3), "pool_features": 2}

BLOCKS = [
    Entry("ConvNormAct", partial(ConvNormAct, 4, 6, kernel_size=3), _images(4, 5, 5)),
    Entry(
        "ConvNormAct-norm",
        partial(ConvNormAct, 4, 6, kernel_size=3, stride=2, groups=2, **_relu, **_norm),
        _images(4, 5, 5),
    ),
    Entry(
        "ConvNormAct-prelu", partial(ConvNormAct, 4, 6, kernel_size=1, activation=nn.PReLU), _images(4, 5, 5)
    ),
    Entry("InceptionA", partial(InceptionA, 4, **_narrow), _images(4, 6, 6)),
    Entry("InceptionA-norm", partial(InceptionA, 4, **_narrow, **_relu, **_norm), _images(4, 6, 6)),
    Entry("ResidualBlock", partial(ResidualBlock, 4), _images(4, 6, 6)),
    Entry("ResidualBlock-norm", partial(ResidualBlock, 4, 6, stride=2, **_norm), _images(4, 6, 6)),
    Entry("ResidualBlock-pre", partial(ResidualBlock, 4, preactivation=True, **_norm), _images(4, 6, 6)),
    *(
        Entry(f"ResidualBlock-{name}", partial(ResidualBlock, 4, shortcut=name), _images(4, 6, 6))
        for name in ("identity", "conv1x1", "conv3x3", "scale", "exclusive_gate", "shortcut_gate", "dropout")
    ),
    *(
        Entry(
            f"ResidualBlock-{name}-2", partial(ResidualBlock, 4, 6, stride=2, shortcut=name), _images(4, 5, 5)
        )
        for name in ("conv3x3", "pad", "scale", "exclusive_gate", "shortcut_gate", "dropout")
    ),
    Entry("ResidualBlock-own-scale", _scaled_block, _images(4, 6, 6)),
    Entry("ResidualBlock-own-module", _own_shortcut, _images(4, 6, 6)),
    Entry("DenseBlock", partial(DenseBlock, 4, 3, 2), _images(4, 6, 6)),
    Entry("DenseBlock-plain", partial(DenseBlock, 4, 3, 2, norm=None, dropout=0.2), _images(4, 6, 6)),
    Entry("Transition", partial(Transition, 4, 2), _images(4, 6, 6)),
]

MODELS = [
    Entry("MLP", partial(MLP, (12, 8, 3)), _images(3, 2, 2)),
    Entry(
        "MLP-norm",
        partial(MLP, (12, 8, 8, 3), norm=nn.BatchNorm1d, activation=nn.GELU, dropout=0.2),
        _images(12),
    ),
    Entry(
        "CNN-norm",
        partial(CNN, 3, 4, channels=(4, 5), kernel_size=3, image_size=16, **_norm),
        _images(3, 16, 16),
    ),
    Entry(
        "InceptionNet-norm",
        partial(InceptionNet, 3, 7, channels=(4,), image_size=16, block_activation=nn.ReLU, **_norm),
        _images(3, 16, 16),
    ),
    Entry(
        "ResidualNet-notes",
        partial(ResidualNet, 3, 7, channels=(4, 5), stage=notes_stage, image_size=12, **_norm),
        _images(3, 12, 12),
    ),
    Entry("ImageClassifier", _composed, _images(3, 8, 8)),
    *(
        Entry(name, partial(create_model, name), _images(1, 28, 28))
        for name in ("mnist_mlp", "mnist_cnn", "mnist_inception", "mnist_resnet", "mnist_resnet_notes")
    ),
]

VISION = [*BLOCKS, *MODELS]
