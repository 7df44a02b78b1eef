"""Every block and model of the library with an example input: what tests/contracts runs over.

A new block or model gets at least one entry here, with a small configuration of each kind it has.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from practicezoo.blocks import (
    BottleneckBlock,
    ConvNormAct,
    DenseBlock,
    ExclusiveGate,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
    InceptionV1,
    PadChannels,
    ResidualBlock,
    Scale,
    SequenceEncoder,
    Shortcut,
    ShortcutGate,
    SqueezeExcitation,
    TemporalConvBlock,
    Transition,
)
from practicezoo.models import (
    CNN,
    MLP,
    CharGRUClassifier,
    CharTagger,
    DenseNet,
    GoogLeNet,
    ImageClassifier,
    InceptionNet,
    InceptionV3,
    LinearRegression,
    LogisticRegression,
    ResidualNet,
    ResNet,
    SequenceClassifier,
    SignalCNN,
    StepwiseTagger,
    TemporalConvNet,
    create_model,
    notes_stage,
)

Inputs = tuple[Tensor, ...]  # what forward takes, batches all of them
Example = Callable[[int, torch.dtype], Inputs]  # (batch size, the module's dtype) -> dense inputs


class Part(NamedTuple):
    """An argument that is a module: each build makes its own, from device and dtype."""

    make: Callable[..., nn.Module]


@dataclass(frozen=True)
class Entry:
    """A module in one configuration.

    Attributes:
        name: the test's id.
        module: the class.
        example: makes dense inputs; the same batch size gives the same inputs.
        arguments: the constructor's arguments, without device and dtype.
        registered: the name under which :func:`create_model` builds it, if that is how it is built.
        recurrent: whether padded and packed sequences are inputs too.
    """

    name: str
    module: type[nn.Module]
    example: Example
    arguments: dict[str, Any] = field(default_factory=dict)
    registered: str | None = None
    recurrent: bool = False

    def build(self, **factory: Any) -> nn.Module:
        """A fresh module; ``factory`` is device and dtype."""
        arguments = {
            name: value.make(**factory) if isinstance(value, Part) else value
            for name, value in self.arguments.items()
        }
        if self.registered:
            return create_model(self.registered, **arguments, **factory)
        return self.module(**arguments, **(factory if self.makes_parameters else {}))

    @property
    def makes_parameters(self) -> bool:
        """Whether it takes device and dtype: what makes no parameters of its own takes neither."""
        return "device" in inspect.signature(self.module).parameters


def features(*shapes: tuple[int, ...]) -> Example:
    """Random features: ``features((7, 3))`` for sequences, ``features((1, 28, 28))`` for images."""

    def example(batch_size: int, dtype: torch.dtype) -> Inputs:
        generator = torch.Generator().manual_seed(batch_size)
        return tuple(torch.randn(batch_size, *shape, dtype=dtype, generator=generator) for shape in shapes)

    return example


def ids(num_ids: int, num_steps: int) -> Example:
    """Random ids from 1 on, so none of them is padding."""

    def example(batch_size: int, dtype: torch.dtype) -> Inputs:
        del dtype  # ids are integers in every precision
        generator = torch.Generator().manual_seed(batch_size)
        return (torch.randint(1, num_ids, (batch_size, num_steps), generator=generator),)

    return example


def _block(name: str, module: type[nn.Module], *shapes: tuple[int, ...], **arguments: Any) -> Entry:
    """A block of images; four channels of 6x6 pixels where no shapes are given."""
    return Entry(f"{module.__name__}-{name}", module, features(*(shapes or [(4, 6, 6)])), arguments)


def _residual(name: str, *, size: int = 6, **arguments: Any) -> Entry:
    return _block(name, ResidualBlock, (4, size, size), in_channels=4, **arguments)


def _joint(name: str, module: type[nn.Module], *, changed: bool = False, **arguments: Any) -> Entry:
    """A shortcut: joins an input with a residual of its shape, or of half its size and 6 channels."""
    return _block(name, module, (4, 6, 6), (6, 3, 3) if changed else (4, 6, 6), **arguments)


def _encoder(name: str, **arguments: Any) -> Entry:
    arguments = {"input_size": 3, "hidden_size": 4, **arguments}
    return Entry(f"SequenceEncoder-{name}", SequenceEncoder, features((5, 3)), arguments, recurrent=True)


def _temporal(name: str, module: type[nn.Module], **arguments: Any) -> Entry:
    """Convolutions over sequences of three values at each step."""
    arguments = {"in_channels": 3, **arguments}
    return Entry(f"{module.__name__}-{name}", module, features((5, 3)), arguments, recurrent=True)


def _texts(name: str, **arguments: Any) -> Entry:
    small = {"num_chars": 20, "num_classes": 6, "embedding_dim": 5, "hidden_size": 4}
    return Entry(
        f"CharGRUClassifier-{name}", CharGRUClassifier, ids(20, 5), small | arguments, recurrent=True
    )


def _tagger(name: str, module: type[nn.Module], **arguments: Any) -> Entry:
    small = {"num_chars": 9, "num_classes": 6, "hidden_size": 4}
    return Entry(f"{module.__name__}-{name}", module, ids(9, 5), small | arguments, recurrent=True)


def _images(name: str, module: type[nn.Module], *, size: int, **arguments: Any) -> Entry:
    arguments = {"in_channels": 3, "num_classes": 7, "image_size": size, **arguments}
    return Entry(f"{module.__name__}-{name}", module, features((3, size, size)), arguments)


def _family(name: str, module: type[nn.Module], *, size: int, **arguments: Any) -> Entry:
    """A small member of a family, whose images may have any size."""
    arguments = {"in_channels": 3, "num_classes": 7, **arguments}
    return Entry(f"{module.__name__}-{name}", module, features((3, size, size)), arguments)


def _registered(name: str, module: type[nn.Module], example: Example, *, recurrent: bool = False) -> Entry:
    return Entry(name, module, example, registered=name, recurrent=recurrent)


def _composed(**factory: Any) -> nn.Module:
    return nn.Sequential(
        DenseBlock(3, growth_rate=2, num_layers=2, **factory),
        Transition(7, 4, **factory),
        ResidualBlock(4, 6, stride=2, norm=nn.BatchNorm2d, **factory),
    )


_narrow_stages = {"depths": (2, 1), "channels": (8, 16), "stem_channels": 4}
_option_a = {"shortcut": "pad", "preactivation": True}
_bottleneck = partial(BottleneckBlock, reduction=2, groups=2)


def _signals(**factory: Any) -> nn.Module:
    return SequenceEncoder(3, 4, bidirectional=True, **factory)


_half = partial(nn.Conv2d, 4, 6, 1, stride=2)
_norm_1d = {"norm": nn.BatchNorm1d}
_norm = {"norm": nn.BatchNorm2d}
_relu = {"activation": nn.ReLU}
_narrow = {
    "in_channels": 4,
    "branch1x1": 2,
    "branch5x5": (2, 3),
    "branch3x3dbl": (2, 2, 3),
    "pool_features": 2,
}
_narrow_v1 = {
    "in_channels": 4,
    "branch1x1": 2,
    "branch3x3": (2, 3),
    "branch5x5": (2, 2),
    "pool_features": 2,
}
_narrow_c = {
    "in_channels": 4,
    "branch1x1": 2,
    "branch7x7": (2, 2, 3),
    "branch7x7dbl": (2, 2, 2, 2, 3),
    "pool_features": 2,
}
_narrow_e = {
    "in_channels": 4,
    "branch1x1": 2,
    "branch3x3": (2, 3, 2),
    "branch3x3dbl": (2, 3, 2, 3),
    "pool_features": 2,
}
_widen = {"in_channels": 4, "out_channels": 6}
_dense = {"in_channels": 4, "growth_rate": 3, "num_layers": 2}
_digits = features((1, 28, 28))

BLOCKS = [
    _block("plain", ConvNormAct, (4, 5, 5), **_widen, kernel_size=3),
    _block("linear", ConvNormAct, (4, 5, 5), **_widen, kernel_size=3, activation=None),
    _block("norm", ConvNormAct, (4, 5, 5), **_widen, kernel_size=3, stride=2, groups=2, **_relu, **_norm),
    _block("prelu", ConvNormAct, (4, 5, 5), **_widen, kernel_size=1, activation=nn.PReLU),
    _block("rectangular", ConvNormAct, (4, 5, 5), **_widen, kernel_size=(1, 3), padding=(1, 0)),
    _block("plain", InceptionA, **_narrow),
    _block("norm", InceptionA, **_narrow, **_relu, **_norm),
    _block("default", InceptionV1, **_narrow_v1),
    _block("paper", InceptionV1, **_narrow_v1, kernel_size=5, norm=None),
    _block("default", InceptionB, in_channels=4, branch3x3=2, branch3x3dbl=(2, 2, 3)),
    _block("default", InceptionC, **_narrow_c),
    _block("default", InceptionD, in_channels=4, branch3x3=(2, 3), branch7x7x3=(2, 2, 3, 3)),
    _block("default", InceptionE, **_narrow_e),
    _residual("plain"),
    _residual("norm", out_channels=6, stride=2, **_norm),
    _residual("preactivation", preactivation=True, **_norm),
    *(
        _residual(name, shortcut=name)
        for name in ("identity", "conv1x1", "conv3x3", "scale", "exclusive_gate", "shortcut_gate", "dropout")
    ),
    *(
        _residual(f"{name}-2", size=5, out_channels=6, stride=2, shortcut=name)
        for name in ("conv3x3", "pad", "scale", "exclusive_gate", "shortcut_gate", "dropout")
    ),
    _residual("own-scale", shortcut=Part(lambda **_: Scale(shortcut=0.3, residual=0.7))),
    _residual("own-module", out_channels=6, stride=2, shortcut=Part(_half)),
    _block("plain", BottleneckBlock, in_channels=4),
    _block("groups", BottleneckBlock, in_channels=4, out_channels=8, stride=2, groups=2, **_norm),
    _block("plain", SqueezeExcitation, in_channels=4, mid_channels=3, activation=nn.SiLU),
    _joint("plain", Shortcut),
    _joint("projection", Shortcut, changed=True, projection=Part(_half)),
    _joint("factors", Scale, shortcut=0.3, residual=0.7),
    _joint("open", ShortcutGate, in_channels=4, initial_bias=0.5),
    _joint("changed", ShortcutGate, changed=True, **_widen, stride=2, projection=Part(_half)),
    _joint("open", ExclusiveGate, in_channels=4, initial_bias=0.5),
    _joint("changed", ExclusiveGate, changed=True, **_widen, stride=2, projection=Part(_half)),
    _block("half", PadChannels, (4, 5, 5), **_widen, stride=2),
    _block("plain", DenseBlock, **_dense),
    _block("no-norm", DenseBlock, **_dense, norm=None, dropout=0.2),
    _block("half", Transition, in_channels=4, out_channels=2),
    _temporal("causal", TemporalConvBlock, out_channels=4, kernel_size=2, dilation=2),
    _temporal("norm", TemporalConvBlock, causal=False, **_norm_1d),
    _temporal("layer-norm", TemporalConvBlock, norm=nn.LayerNorm, dropout=0.2, activation=nn.GELU),
    _temporal("gate", TemporalConvBlock, out_channels=4, shortcut="shortcut_gate"),
    _encoder("rnn", cell="rnn"),
    _encoder("gru", cell="gru", num_layers=2, dropout=0.5),
    _encoder("lstm", cell="lstm"),
    _encoder("rnn-bidirectional", cell="rnn", bidirectional=True),
    _encoder("gru-bidirectional", cell="gru", bidirectional=True),
    _encoder("lstm-bidirectional", cell="lstm", bidirectional=True, num_layers=2),
]

MODELS = [
    Entry(
        "LinearRegression-several", LinearRegression, features((6,)), {"in_features": 6, "out_features": 2}
    ),
    Entry("LogisticRegression-several", LogisticRegression, features((6,)), {"in_features": 6}),
    Entry("MLP-plain", MLP, features((3, 2, 2)), {"sizes": (12, 8, 3)}),
    Entry(
        "MLP-norm",
        MLP,
        features((12,)),
        {"sizes": (12, 8, 8, 3), "norm": nn.BatchNorm1d, "activation": nn.GELU, "dropout": 0.2},
    ),
    _images("norm", CNN, size=16, channels=(4, 5), kernel_size=3, **_norm),
    _images("norm", InceptionNet, size=16, channels=(4,), block_activation=nn.ReLU, **_norm),
    _images("notes", ResidualNet, size=12, channels=(4, 5), stage=notes_stage, **_norm),
    _images("composed", ImageClassifier, size=8, features=Part(_composed)),
    _family("basic", ResNet, size=10, stem="small", **_narrow_stages),
    _family("bottleneck", ResNet, size=17, block=_bottleneck, **_narrow_stages),
    _family("preactivation", ResNet, size=9, stem="small", **_option_a, **_narrow_stages),
    _family("narrow", GoogLeNet, size=33, width=0.1, kernel_size=5, activation=nn.SiLU),
    _family("narrow", InceptionV3, size=75, width=0.05, transform_input=True, dropout=0.1),
    _family("dense", DenseNet, size=17, growth_rate=4, depths=(2, 1), stem_channels=6, dropout=0.2),
    _texts("default"),
    _texts("one-direction", num_layers=1, bidirectional=False),
    _texts("lstm", cell="lstm", num_layers=1),
    _texts("dropout", dropout=0.4, padding_idx=19),
    _tagger("embedding", CharTagger, embedding_dim=5, dropout=0.5),
    _tagger("one-hot", CharTagger, embedding_dim=None, cell="gru", num_layers=1),
    _tagger("bidirectional", CharTagger, cell="lstm", bidirectional=True, hidden_size=3, head=None),
    _tagger("rnn", StepwiseTagger, hidden_size=6),
    _tagger("gru", StepwiseTagger, cell="gru", head=nn.Linear),
    _tagger("lstm", StepwiseTagger, cell="lstm", head=nn.Linear),
    Entry(
        "SignalCNN-plain", SignalCNN, features((9, 3)), {"in_channels": 3, "channels": (4, 5), "norm": None}
    ),
    _temporal(
        "causal", TemporalConvNet, channels=(4, 5), causal=True, pooling="last", dropout=0.3, norm=None
    ),
    _temporal("centred", TemporalConvNet, channels=(4,), kernel_size=3, num_classes=7),
    _temporal("last", SequenceClassifier, encoder=Part(_signals), pooling="last"),
    _temporal("mean", SequenceClassifier, encoder=Part(_signals), dropout=0.3),
    _registered("linear_regression", LinearRegression, features((1,))),
    _registered("logistic_regression", LogisticRegression, features((1,))),
    _registered("diabetes_mlp", MLP, features((8,))),
    _registered("hello_rnn_cell", StepwiseTagger, ids(4, 5), recurrent=True),
    _registered("hello_rnn", CharTagger, ids(4, 5), recurrent=True),
    _registered("hello_embedding_rnn", CharTagger, ids(4, 5), recurrent=True),
    _registered("mnist_mlp", MLP, _digits),
    _registered("mnist_fast", ImageClassifier, _digits),
    _registered("mnist_tiny", ImageClassifier, _digits),
    _registered("mnist_cnn", CNN, _digits),
    _registered("mnist_inception", InceptionNet, _digits),
    _registered("mnist_resnet", ResidualNet, _digits),
    _registered("mnist_resnet_notes", ResidualNet, _digits),
    _registered("mnist1d_cnn", SignalCNN, features((40, 1))),
    _registered("mnist1d_gru", SequenceClassifier, features((40, 1)), recurrent=True),
    _registered("mnist1d_mlp", MLP, features((40, 1))),
    _registered("mnist1d_tcn", TemporalConvNet, features((40, 1)), recurrent=True),
    _registered("names_gru", CharGRUClassifier, ids(128, 5), recurrent=True),
]

ENTRIES = [*BLOCKS, *MODELS]

# the registered models that are small; those of the families are full-sized, so tests of every one are slow
SMALL = {entry.registered for entry in MODELS if entry.registered}
FULL_SIZED = ("resnet*", "wide_resnet*", "resnext*", "densenet*", "googlenet", "inception_v3")
