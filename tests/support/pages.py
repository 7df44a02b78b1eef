"""The documentation's pages as programs: the code of a page, run in the order in which it stands there."""

import contextlib
import doctest
import gzip
import io
import re
import struct
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torchvision.transforms.v2.functional import to_pil_image

from practicezoo.data import NameDataset, synthetic_digits, synthetic_table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("README*.md"))]

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\{?[\w-]+\}?)(?: +(?P<argument>\S+))?\n(?P<body>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
OPTION = re.compile(r":([\w-]+): *(.*)\n")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?")
NOT_RUN = {("benchmarks.md", "model = model.to(memory_format=torch.channels_last)\n"): "a line for any model"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        kind: "python", "pycon", "text", "console", or a directive such as "{literalinclude}".
        argument: what follows a directive: a language, a file.
        line: where its body starts in the page, counted from 0.
    """

    kind: str
    argument: str
    code: str
    line: int
    options: dict[str, str] = field(default_factory=dict)

    @property
    def first_line(self) -> str:
        return next((line for line in self.code.splitlines() if line.strip()), "")


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    return [_block(found, text) for found in FENCE.finditer(text)]


def _block(found: re.Match[str], text: str) -> Block:
    body, options = textwrap.dedent(found["body"]), {}
    if found["kind"].startswith("{"):
        while option := OPTION.match(body):
            options[option[1]] = option[2]
            body = body[option.end() :]
    return Block(
        found["kind"], found["argument"] or "", body, text.count("\n", 0, found.start("body")), options
    )


def with_outputs(page: Path) -> Iterator[tuple[Block, str | None]]:
    """Each block, with the text block that comes next: what it prints."""
    found = blocks(page)
    for block, after in zip(found, [*found, None][1:], strict=True):
        yield block, after.code if after is not None and after.kind == "text" else None


def run_page(page: Path) -> dict[str, object]:
    """Run the code of a page as one program in the current folder; returns the names that it has made."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block, output in with_outputs(page):
        if (page.name, block.code) in NOT_RUN:
            continue
        if block.kind == "pycon" or (block.kind == "python" and block.first_line.startswith(">>> ")):
            _run_session(block, page, names)
        elif block.kind == "python":
            check_output(_run_program(block, page, names), output or "", f"{page.name}:{block.line}")
    return names


def _run_program(block: Block, page: Path, names: dict[str, object]) -> str:
    printed = io.StringIO()
    code = compile("\n" * block.line + block.code, str(page), "exec")  # errors name the page's line
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # noqa: S102
    return printed.getvalue()


def _run_session(block: Block, page: Path, names: dict[str, object]) -> None:
    test = doctest.DocTestParser().get_doctest(
        f"{block.code}\n", {}, f"{page.name}:{block.line}", str(page), block.line
    )
    assert test.examples, f"{page.name}:{block.line} is a session without a prompt"
    test.globs = names
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    if runner.run(test, out=report.write, clear_globs=False).failed:
        pytest.fail(report.getvalue(), pytrace=False)


def check_output(printed: str, shown: str, place: str) -> None:
    """Words and whole numbers must be those that the page shows; others nearly, as processors differ."""
    told = f"{place} prints\n{printed}\nand the page shows\n{shown}"
    assert _words(printed) == _words(shown), told
    for number, expected in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
        if "." in expected:
            assert _value(number) == pytest.approx(_value(expected), rel=0.1, abs=0.03), told
        else:
            assert number == expected, told


def _words(text: str) -> str:
    return NUMBER.sub("#", " ".join(text.split()))


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def write_readers_files(folder: Path) -> None:
    """Write the files that pages take from a reader's own disk: small ones, with the same columns."""
    for split in ("train", "test"):
        names = NameDataset.mini(split)
        rows = "".join(f"{name},{label}\n" for name, label in zip(names.names, names.labels, strict=True))
        (folder / f"names_{split}.csv.gz").write_bytes(gzip.compress(rows.encode()))
    features, targets = synthetic_table(100, seed=0)
    features = features.clamp(-1, 1)
    features = features.masked_fill(features == features.amin(dim=0), 0)  # as the course's file has it
    table = torch.cat([features, targets], dim=1)
    rows = "".join(f"{','.join(f'{value:.3f}' for value in row)}\n" for row in table.tolist())
    (folder / "diabetes.csv.gz").write_bytes(gzip.compress(rows.encode()))
    for name in ("train.csv", "large.csv"):
        (folder / name).write_text("rooms,area,price\n3,70,210\n2,50,150\n4,90,280\n", encoding="utf-8")
    _write_digits(folder)


def _write_digits(folder: Path) -> None:
    """A picture of a seven, and a few digits where MNIST's own files would be."""
    digits = synthetic_digits(500, seed=0)
    to_pil_image(digits.images[digits.targets == 7][0]).save(folder / "seven.png")
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, tensor in (("images-idx3", digits.images.squeeze(1)), ("labels-idx1", digits.targets)):
            head = bytes([0, 0, 8, tensor.ndim]) + struct.pack(f">{tensor.ndim}I", *tensor.shape)
            content = head + tensor.to(torch.uint8).numpy().tobytes()
            (raw / f"{split}-{kind}-ubyte").write_bytes(content)
