"""The pages' programs: each runs and prints what its page shows, and none is left out in silence."""

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo.cli import make_parser
from support.pages import DOCS, PAGES, ROOT, blocks, check_output, run_page, with_outputs, write_readers_files

EXAMPLES = DOCS / "examples"
TESTED_ELSEWHERE = {  # programs with arguments or processes of their own
    "distributed/sharded.py": "training/test_distributed.py",
    "export/name_country.py": "export/test_onnx.py",
}
SLOW = {"README.md", "README.zh-CN.md", "compile.md", "custom-network.md", "first-lessons.md"}
REASON = re.compile(r"\(not run: .+\)$")


@pytest.fixture(scope="module")
def readers_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    write_readers_files(folder)
    return folder


@pytest.fixture
def at_the_readers(readers_files, monkeypatch):
    monkeypatch.chdir(readers_files)
    monkeypatch.setenv("PRACTICEZOO_DATA", str(readers_files))


def kinds(page):
    return {block.kind for block in blocks(page)}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=pytest.mark.slow if page.name in SLOW else ())
        for page in PAGES
        if kinds(page) & {"python", "pycon"}
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")  # torch's own, compiling
def test_a_page_is_a_program_that_runs(page, at_the_readers):
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_code_runs_or_says_why_not(page):
    for block in blocks(page):
        place = f"{page.name}:{block.line}"
        assert block.kind not in {"py", "pycon3", "python3", "ipython", "{code}"}, place
        if block.kind == "{code-block}":
            assert REASON.search(block.options.get("caption", "")), f"{place} gives no reason"


def programs(page):
    """The files of ``docs/examples`` that a page shows, with what it says that they print."""
    for block, output in with_outputs(page):
        if block.kind == "{literalinclude}" and block.options.get("language") == "python":
            file = (page.parent / block.argument).resolve()
            if file.is_relative_to(EXAMPLES):
                yield file.relative_to(EXAMPLES).as_posix(), output


SHOWN = {name: output for page in PAGES for name, output in programs(page)}


def test_every_example_is_shown_and_run():
    files = {
        file.relative_to(EXAMPLES).as_posix()
        for file in EXAMPLES.rglob("*.py")
        if file.parent.name != "blocks"
    }
    assert set(SHOWN) == files
    for name, tests in TESTED_ELSEWHERE.items():
        assert name.rpartition("/")[2] in (ROOT / "tests" / tests).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SHOWN) - set(TESTED_ELSEWHERE)))
def test_an_example_runs_and_prints_what_its_page_shows(name, tmp_path):
    package = re.sub(r"^frameworks/with_|\.py$", "", name)
    if name.startswith("frameworks/") and importlib.util.find_spec(package) is None:
        pytest.skip(f'{package} is missing: pip install "practicezoo[frameworks]"')
    ran = subprocess.run(  # in a process of its own, whose warnings are its own
        [sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
    if SHOWN[name] is not None:
        check_output(ran.stdout, SHOWN[name], name)


def commands(page):
    """The command lines of practicezoo on a page, each with the lines below it."""
    for block in blocks(page):
        if block.kind == "console":
            for command in re.split(r"^\$ ", block.code.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
                line, _, printed = command.partition("\n")
                if found := re.search(r"-m practicezoo (.*)", line):
                    yield shlex.split(found[1], comments=True), printed


COMMANDS = [
    pytest.param(arguments, printed, id=f"{page.name}-{' '.join(arguments)}")
    for page in PAGES
    for arguments, printed in commands(page)
]


@pytest.mark.parametrize(("arguments", "printed"), COMMANDS)
def test_every_command_line_is_one_that_the_parser_takes(arguments, printed):
    assert callable(make_parser().parse_args(arguments).run)


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "printed"), [each for each in COMMANDS if each.values[1].strip()])
def test_a_command_prints_what_its_page_shows(arguments, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = make_parser().parse_args(arguments)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert not options.run(options)
    check_output(output.getvalue(), printed, " ".join(arguments))


class BooksResidual(nn.Module):
    """The residual block of Dive into Deep Learning (section 8.6), in plain torch."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv3 = nn.Conv2d(in_channels, out_channels, 1, stride=stride) if stride > 1 else nn.Identity()
        self.bn1, self.bn2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)

    def forward(self, images):
        features = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(images)))))
        return F.relu(features + self.conv3(images))


@pytest.mark.parametrize(("out_channels", "stride"), [(None, 1), (12, 2)])
def test_the_page_on_d2l_builds_the_books_residual_block(out_channels, stride, at_the_readers):
    block = run_page(DOCS / "from-d2l.md")["residual"](6, out_channels, stride)
    book = BooksResidual(6, out_channels or 6, stride)
    first, second = block.residual
    pairs = [
        (book.conv1, first.conv),
        (book.bn1, first.norm),
        (book.conv2, second.conv),
        (book.bn2, second.norm),
    ]
    if stride > 1:
        pairs.append((book.conv3, block.shortcut.projection))
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    assert sum(map(torch.numel, book.parameters())) == sum(map(torch.numel, block.parameters()))
    images = torch.randn(4, 6, 8, 8)
    assert_close(block(images), book(images))
