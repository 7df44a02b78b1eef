"""A page for each block: its figure, shapes, parameters, and a network made with it, made at build time."""

import contextlib
import inspect
import io
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from extension.drawing import draw_padding
from extension.gallery import examples_with
from extension.pages import DOCS, GENERATED, ROOT, fenced, figure, is_fresh, table, touch, write
from practicezoo import (
    BottleneckBlock,
    ConvNormAct,
    DenseBlock,
    InceptionA,
    ResidualBlock,
    SequenceEncoder,
    SqueezeExcitation,
    Transition,
)
from practicezoo.blocks import SHORTCUTS
from practicezoo.models import model_summary
from practicezoo.plotting import draw_block

PROGRAMS = DOCS / "examples" / "blocks"


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
        "`torchvision.models.inception.InceptionA` as `InceptionA.v3`, outputs and gradients "
        "(`tests/blocks/test_inception.py`)",
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
}


def write_blocks() -> None:
    """Write every page."""
    rows = []
    for kind, block in BLOCKS.items():
        name = kind.__name__
        page = f"blocks/{name}.md"
        rows.append((f"[{name}](/generated/blocks/{name}.md)", _summary(kind)))
        library = ROOT / "src" / "practicezoo"
        sources = [*(library / "blocks").glob("*.py"), *(library / "plotting").glob("*.py")]
        sources += [PROGRAMS / f"{name}.py", *(DOCS / "gallery").glob("*.py")]
        if not is_fresh(page, sources):
            write(page, _page(kind, block))
            touch(page)
    write("blocks.inc", table(["block", "what it is"], rows, "ll"))


def _page(kind: type, block: Block) -> str:
    name = kind.__name__
    first = _build(block.calls[0])
    ax = draw_block(first, _shape(first, block))
    alt = f"What {block.calls[0]} computes, layer by layer"
    program = (PROGRAMS / f"{name}.py").read_text(encoding="utf-8")
    return "\n".join(
        [
            f"# {name} block\n",
            f"{_summary(kind)}\n",
            figure(ax, f"blocks/{name}.svg", alt, f"Picture of `{block.calls[0]}`. {block.caption}"),
            "## Shapes, parameters, multiply-adds\n",
            table(
                ["block", "input", "output", "parameters", "multiply-adds"],
                [_row(call, block) for call in block.calls],
                "lllrr",
            ),
            f"Parameters: {block.formula}.\n",
            *_more(kind),
            "## Compose it\n",
            fenced(program, "python"),
            fenced(_output(program)),
            *examples_with(name),
            "## Where it comes from\n",
            f"{_source(kind)}\n",
            f"It equals {block.equals}.\n",
            f"All arguments: {{class}}`practicezoo.{name}`.\n",
        ]
    )


def _build(call: str) -> nn.Module:
    module: nn.Module = eval(call, {"nn": nn, **{kind.__name__: kind for kind in BLOCKS}})  # noqa: S307
    return module


def _shape(module: Any, block: Block) -> tuple[int, ...]:
    channels = () if isinstance(module, SequenceEncoder) else (module.in_channels,)
    return (1, *channels, *block.size)


def _row(call: str, block: Block) -> tuple[str, ...]:
    module = _build(call)
    shape = _shape(module, block)
    with contextlib.redirect_stdout(io.StringIO()):
        summary = model_summary(module, shape)
    count = summary.num_parameters
    if block.count.get(call, count) != count:
        raise ValueError(f"the formula of {call} must give {count:,}, got {block.count[call]:,}")
    with torch.no_grad():
        result = module(torch.zeros(shape))
    output = result.outputs if isinstance(module, SequenceEncoder) else result
    shapes = (" x ".join(map(str, size)) for size in (shape[1:], tuple(output.shape[1:])))
    return (f"`{call}`", *shapes, f"{count:,}", f"{summary.multiply_adds:,}")


def _more(kind: type) -> list[str]:
    """What one kind alone has."""
    return {ResidualBlock: _shortcuts, SequenceEncoder: _layout}.get(kind, list)()


def _layout() -> list[str]:
    draw_padding(GENERATED / "blocks" / "padding.svg", ["Yamamoto", "Álvarez", "Rossi", "Li"])
    head = "```{figure} /generated/blocks/padding.svg\n:alt: A batch of four names, padded and packed\n"
    caption = "The same batch padded and packed: what is computed never reads the grey cells."
    return ["## Padded and packed\n", f"{head}\n{caption}\n```\n"]


def _shortcuts() -> list[str]:
    """What a residual block can be joined by, side by side."""
    cards = []
    for name in SHORTCUTS:
        changed = {} if name == "identity" else {"out_channels": 32, "stride": 2}
        block = ResidualBlock(16, shortcut=name, **changed)
        count = sum(parameter.numel() for parameter in block.shortcut.parameters())
        ax = draw_block(block, (1, 16, 12, 12))
        shown = figure(ax, f"blocks/shortcut-{name}.svg", f"A residual block with the shortcut {name}")
        kind = f"{{class}}`~practicezoo.blocks.{type(block.shortcut).__name__}`"
        cards.append(f':::{{grid-item-card}} `"{name}"`\n{shown}\n{kind}, {count:,} parameters\n:::\n')
    return [
        "## Shortcuts\n",
        "By name, from 16 to 32 channels with stride 2, and the identity, which keeps the shape:\n",
        "\n".join(["::::{grid} 1 1 2 2\n:gutter: 2\n", *cards, "::::\n"]),
        "Any module can be a shortcut too: see [Image networks](/vision.md#shortcuts).\n",
    ]


def _output(program: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {})  # noqa: S102
    return output.getvalue()


def _summary(kind: type) -> str:
    """The first line of the docstring, in Markdown."""
    return (inspect.getdoc(kind) or "").partition("\n")[0].replace("``", "`")


def _source(kind: type) -> str:
    """The docstring's source, with links to arXiv."""
    found = re.search(r"^Source: (.*?)(?:\n\n|\Z)", inspect.getdoc(kind) or "", re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{kind.__name__} must name its source")
    text = " ".join(found[1].split())
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
