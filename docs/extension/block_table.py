"""What the page of each block shows, in the order in which the site lists them."""

from dataclasses import dataclass

from practicezoo import (
    BottleneckBlock,
    ConvNormAct,
    DenseBlock,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
    InceptionV1,
    ResidualBlock,
    SequenceEncoder,
    SqueezeExcitation,
    TemporalConvBlock,
    Transition,
)

EXACTLY = "under copied weights, outputs to the bit, and gradients (`tests/blocks/test_inception_parity.py`)"


@dataclass(frozen=True)
class Block:
    """What a page is made of.

    Attributes:
        calls: expressions that build it, whose shapes and parameters the page compares.
        size: of a sample of the input behind its channels: height and width, or steps and features.
        caption: of the figure, which is that of the first call's block.
        formula: the number of parameters, for people.
        count: the same, for the build to compare, by the call.
        equals: what it equals, and which test holds it.
    """

    calls: tuple[str, ...]
    size: tuple[int, ...]
    caption: str
    formula: str
    count: dict[str, int]
    equals: str


BLOCKS = {
    ConvNormAct: Block(
        (
            "ConvNormAct(3, 16, 5, norm=nn.BatchNorm2d)",
            "ConvNormAct(3, 16, 5)",
            "ConvNormAct(16, 16, 3, stride=2)",
        ),
        (28, 28),
        "Convolution, norm, activation; by default there is no norm.",
        "`kernel_size**2 * in_channels * out_channels + out_channels`; with batch norm `out_channels` more",
        {"ConvNormAct(3, 16, 5)": 5**2 * 3 * 16 + 16},
        "`nn.Conv2d`, the norm and the activation in a row (`tests/blocks/test_conv.py`)",
    ),
    InceptionA: Block(
        ("InceptionA(10)", "InceptionA(20)", "InceptionA.v3(192, 32)"),
        (12, 12),
        "Four branches side by side, joined on channels.",
        "`72 * in_channels + 18_384` with the course's widths",
        {"InceptionA(10)": 72 * 10 + 18_384, "InceptionA(20)": 72 * 20 + 18_384},
        f"`torchvision.models.inception.InceptionA` as `InceptionA.v3`, {EXACTLY}",
    ),
    InceptionV1: Block(
        (
            "InceptionV1(192)",
            "InceptionV1(192, kernel_size=5, norm=None)",
            "InceptionV1(256, branch1x1=128, branch3x3=(128, 192), branch5x5=(32, 96), pool_features=64)",
        ),
        (28, 28),
        "Four branches side by side, joined on channels. The third has a 5x5 kernel in the paper.",
        "`208 * in_channels + 115_936` with the default widths",
        {"InceptionV1(192)": 208 * 192 + 115_936},
        f"`torchvision.models.googlenet.Inception` {EXACTLY}",
    ),
    InceptionB: Block(
        ("InceptionB(288)", "InceptionB(64, branch3x3=64, branch3x3dbl=(16, 24, 24))"),
        (35, 35),
        "Two branches of convolutions and one of pooling, each of which halves height and width.",
        "`3_520 * in_channels + 139_520` with the default widths",
        {"InceptionB(288)": 3_520 * 288 + 139_520},
        f"`torchvision.models.inception.InceptionB` {EXACTLY}",
    ),
    InceptionC: Block(
        ("InceptionC(768)", "InceptionC.v3(768, 160)", "InceptionC.v3(768, 192)"),
        (17, 17),
        "A 7x7 convolution is a row and a column, one after the other.",
        "`640 * in_channels + 805_888` with the default widths",
        {"InceptionC(768)": 640 * 768 + 805_888},
        f"`torchvision.models.inception.InceptionC`, also as `InceptionC.v3`, {EXACTLY}",
    ),
    InceptionD: Block(
        ("InceptionD(768)", "InceptionD(64, branch3x3=(16, 32), branch7x7x3=(16, 16, 16, 32))"),
        (17, 17),
        "As InceptionB it halves height and width; one branch sees 7x7 places before it does.",
        "`384 * in_channels + 1_403_392` with the default widths",
        {"InceptionD(768)": 384 * 768 + 1_403_392},
        f"`torchvision.models.inception.InceptionD` {EXACTLY}",
    ),
    InceptionE: Block(
        ("InceptionE(1280)", "InceptionE(2048)"),
        (8, 8),
        "A row and a column side by side: both read the same input, and both results are kept.",
        "`1_344 * in_channels + 3_324_288` with the default widths",
        {"InceptionE(1280)": 1_344 * 1280 + 3_324_288},
        f"`torchvision.models.inception.InceptionE` {EXACTLY}",
    ),
    ResidualBlock: Block(
        (
            "ResidualBlock(16, 32, stride=2, norm=nn.BatchNorm2d)",
            "ResidualBlock(16)",
            "ResidualBlock(64, norm=nn.BatchNorm2d)",
        ),
        (12, 12),
        "Two convolutions learn what to add. Where the shape changes, a 1x1 convolution fits the input.",
        "`2 * (9 * channels**2 + channels)` with the identity as shortcut and no norm",
        {"ResidualBlock(16)": 2 * (9 * 16**2 + 16)},
        "`torchvision.models.resnet.BasicBlock` with `norm=nn.BatchNorm2d`, outputs and gradients "
        "(`tests/blocks/test_residual.py`)",
    ),
    BottleneckBlock: Block(
        (
            "BottleneckBlock(64, 256, norm=nn.BatchNorm2d)",
            "BottleneckBlock(256)",
            "BottleneckBlock(256, mid_channels=128, groups=32, norm=nn.BatchNorm2d)",
        ),
        (8, 8),
        "Three convolutions learn what to add; the 3x3 one works on a quarter of the channels.",
        "`2*channels*mid_channels + 9*mid_channels**2 + 2*mid_channels + channels` with the identity as "
        "shortcut, one group and no norm",
        {"BottleneckBlock(256)": 2 * 256 * 64 + 9 * 64**2 + 2 * 64 + 256},
        "`torchvision.models.resnet.Bottleneck` with `norm=nn.BatchNorm2d`, with groups and widths, outputs "
        "and gradients (`tests/blocks/test_residual.py`)",
    ),
    SqueezeExcitation: Block(
        ("SqueezeExcitation(64)", "SqueezeExcitation(64, mid_channels=16)"),
        (8, 8),
        "The mean of each channel, two layers, and a factor between 0 and 1 for each channel.",
        "`2*channels*mid_channels + mid_channels + channels`",
        {"SqueezeExcitation(64)": 2 * 64 * 4 + 4 + 64},
        "`torchvision.ops.SqueezeExcitation`, outputs and gradients (`tests/blocks/test_excitation.py`)",
    ),
    DenseBlock: Block(
        ("DenseBlock(8, 4, 2)", "DenseBlock(64, 32, 1)", "DenseBlock(64, 32, 6)"),
        (8, 8),
        "Each layer reads the input and all layers before it: see how the channels grow.",
        "a layer that reads `c` channels, with growth rate `g`: `2*c + 4*g*c + 8*g + 36*g**2`",
        {"DenseBlock(64, 32, 1)": 2 * 64 + 4 * 32 * 64 + 8 * 32 + 36 * 32**2},
        "`torchvision.models.densenet`'s dense block, outputs and gradients (`tests/blocks/test_dense.py`)",
    ),
    Transition: Block(
        ("Transition(256, 128)", "Transition(64, 32)"),
        (8, 8),
        "Half as many channels, half the height and width.",
        "`2 * in_channels + in_channels * out_channels`",
        {"Transition(256, 128)": 2 * 256 + 256 * 128},
        "`torchvision.models.densenet`'s transition, outputs and gradients (`tests/blocks/test_dense.py`)",
    ),
    SequenceEncoder: Block(
        (
            "SequenceEncoder(32, 64)",
            'SequenceEncoder(32, 64, cell="lstm")',
            "SequenceEncoder(32, 64, num_layers=2, bidirectional=True)",
        ),
        (8, 32),
        "Every step's output, and the state after each sequence's last real step.",
        "a layer and direction: `gates * hidden_size * (input_size + hidden_size + 2)`, with 1 gate (RNN), "
        "3 (GRU) or 4 (LSTM); the second layer's input is the first one's output",
        {"SequenceEncoder(32, 64)": 3 * 64 * (32 + 64 + 2)},
        "`nn.RNN`, `nn.GRU` and `nn.LSTM` on sequences without padding (`tests/blocks/test_recurrent.py`)",
    ),
    TemporalConvBlock: Block(
        (
            "TemporalConvBlock(3, 16, dilation=2)",
            "TemporalConvBlock(16, kernel_size=2, dilation=4)",
            "TemporalConvBlock(32, kernel_size=5, causal=False)",
        ),
        (40,),
        "Two dilated convolutions over the steps, zeros before the first step, and a shortcut past them.",
        "`2 * (kernel_size * channels**2 + channels)` with the identity as shortcut and no norm",
        {
            "TemporalConvBlock(16, kernel_size=2, dilation=4)": 2 * (2 * 16**2 + 16),
            "TemporalConvBlock(32, kernel_size=5, causal=False)": 2 * (5 * 32**2 + 32),
        },
        "`nn.Conv1d` with its own padding, on sequences without padding, outputs and gradients "
        "(`tests/blocks/test_temporal.py`)",
    ),
}
