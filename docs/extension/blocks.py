"""A page for each block: its figure, shapes, parameters, and a network made with it, made at build time."""

import contextlib
import inspect
import io
import re
from typing import Any

import torch
from torch import nn

from extension.block_table import BLOCKS, Block
from extension.drawing import draw_padding
from extension.gallery import examples_with
from extension.pages import DOCS, GENERATED, ROOT, fenced, figure, is_fresh, table, touch, write
from practicezoo import ResidualBlock, SequenceEncoder, TemporalConvBlock
from practicezoo.blocks import SHORTCUTS
from practicezoo.models import model_summary
from practicezoo.plotting import draw_block

PROGRAMS = DOCS / "examples" / "blocks"


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
    if isinstance(module, TemporalConvBlock):
        return (1, *block.size, module.in_channels)
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
