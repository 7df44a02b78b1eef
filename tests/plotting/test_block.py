"""Pictures of blocks show what their forward pass computes, each call once, with the shapes that it makes."""

import copy
import sys
from collections import Counter

import pytest
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor, nn

from practicezoo import (
    DenseBlock,
    InceptionA,
    ResidualBlock,
    SequenceEncoder,
    TemporalConvBlock,
    create_model,
)
from practicezoo.plotting import draw_block
from support.catalog import BLOCKS
from support.figures import outside, overlapping


def captions(ax):
    return [text.get_text().replace("\n", ", ") for text in ax.texts]


def place(ax, caption):
    (text,) = (text for text in ax.texts if text.get_text().replace("\n", ", ") == caption)
    return text.get_position()


def arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def shape_in(caption):
    return tuple(int(size) for size in caption.rpartition(", ")[2].split(" x "))


def test_a_temporal_convolution_tells_its_dilation():
    assert captions(draw_block(TemporalConvBlock(3, 16, dilation=2), (1, 9, 3))) == [
        "input, 9 x 3",
        "transpose, 3 x 9",
        "pad, 3 x 13",
        "3 conv, dilation 2, 16 x 9",
        "ReLU",
        "pad, 16 x 13",
        "3 conv, dilation 2, 16 x 9",
        "ReLU",
        "1x1 conv, 16 x 1 x 9",
        "add, 16 x 1 x 9",
        "ReLU, 16 x 9",
        "transpose, 9 x 16",
    ]


class TestBranches:
    ax = draw_block(InceptionA(10), (1, 10, 12, 12))

    def test_each_layer_is_a_box_with_its_channels(self):
        assert Counter(captions(self.ax)) == {
            "input, 10 x 12 x 12": 1,
            "1x1 conv, 16 x 12 x 12": 3,
            "1x1 conv, 24 x 12 x 12": 1,
            "5x5 conv, 24 x 12 x 12": 1,
            "3x3 conv, 24 x 12 x 12": 2,
            "3x3 mean pool, stride 1": 1,
            "concatenate, 88 x 12 x 12": 1,
        }
        assert len([patch for patch in self.ax.patches if isinstance(patch, FancyBboxPatch)]) == 10

    def test_branches_stand_side_by_side_between_input_and_output(self):
        (_, top), (_, bottom) = (
            place(self.ax, "input, 10 x 12 x 12"),
            place(self.ax, "concatenate, 88 x 12 x 12"),
        )
        inner = [text.get_position() for text in self.ax.texts if "x 12 x 12" not in text.get_text()[:-12]]
        assert all(bottom <= y <= top for _, y in inner)
        last = ["5x5 conv, 24 x 12 x 12", "1x1 conv, 24 x 12 x 12"]
        assert place(self.ax, last[0])[1] == pytest.approx(place(self.ax, last[1])[1])
        assert place(self.ax, last[0])[0] < place(self.ax, last[1])[0]  # in the order in which they run

    def test_arrows_tell_who_reads_whom(self):
        assert len(arrows(self.ax)) == 4 + 4 + 4  # from the input, between layers, to the output
        starts = Counter(tuple(map(round, patch.get_path().vertices[0])) for patch in arrows(self.ax))
        assert max(starts.values()) >= 4


def test_the_shortcuts_ways():
    plain = captions(draw_block(ResidualBlock(4), (1, 4, 6, 6)))
    assert plain == [
        "input, 4 x 6 x 6",
        "3x3 conv, 4 x 6 x 6",
        "ReLU",
        "3x3 conv, 4 x 6 x 6",
        "add",
        "ReLU, 4 x 6 x 6",
    ]
    changed = draw_block(ResidualBlock(4, 8, stride=2, shortcut="scale"), (1, 4, 6, 6))
    assert {"1x1 conv, stride 2, 8 x 3 x 3", "× 0.5"} <= set(captions(changed))  # noqa: RUF001
    gated = captions(draw_block(ResidualBlock(4, shortcut="exclusive_gate"), (1, 4, 6, 6)))
    assert {"sigmoid", "1 − input"} <= set(gated)  # noqa: RUF001
    assert gated.count("multiply") == 2


def test_every_dense_layer_reads_all_before_it():
    ax = draw_block(DenseBlock(8, 4, 2, norm=None), (1, 8, 6, 6))
    assert [shape_in(c)[0] for c in captions(ax) if c.startswith("concatenate")] == [12, 16]


def test_each_part_of_a_named_tuple_is_an_output():
    ax = draw_block(SequenceEncoder(3, 4, num_layers=2, bidirectional=True), (2, 5, 3))
    found = captions(ax)
    assert found[:2] == ["input, 5 x 3", "GRU, 2 layers, both directions, 5 x 8"]
    assert found[-2:] == ["outputs, 5 x 8", "final_state, 8"]
    thick = [p for p in ax.patches if isinstance(p, FancyBboxPatch) and p.get_linewidth() > 1]
    assert len(thick) == 2


def test_a_part_of_what_a_layer_makes_is_an_output():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.GRU(3, 4, batch_first=True)

        def forward(self, steps):
            return self.encoder(steps)[0][:, -1]

    assert captions(draw_block(Last(), (2, 5, 3))) == ["input, 5 x 3", "GRU, 5 x 4", "output, 4"]


@pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.name)
def test_every_block_is_drawn_as_it_runs(entry):
    block, example = entry.build(), entry.example(1, torch.float32)
    ax = draw_block(block, example)
    output = block.eval()(*example)
    output = output if isinstance(output, Tensor) else output.final_state
    assert shape_in(captions(ax)[-1]) == output.shape[1:]
    assert overlapping(ax) == []
    assert outside(ax) == []


class Sum(nn.Module):
    """A user's: functions, a number, one layer twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        return torch.relu(self.layer(self.layer(x)) + 2 * x).flatten(1)


class TestOwn:
    def test_functions_and_numbers(self):
        ax = draw_block(Sum(), (2, 3, 6))
        expected = ["input, 3 x 6", "linear, 3 x 6", "linear, 3 x 6", "× 2", "add", "relu", "flatten, 18"]  # noqa: RUF001
        assert captions(ax) == expected
        assert len(arrows(ax)) == 7

    def test_a_part_of_blocks(self):
        network = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), Sum()), nn.Flatten(), nn.Identity()
        )
        whole = captions(draw_block(network, (1, 1, 6, 6)))
        assert whole.count("linear, 4 x 6 x 6") == 2
        closed = captions(draw_block(network, (1, 1, 6, 6), depth=0))
        assert closed == ["input, 1 x 6 x 6", "3x3 conv, 4 x 6 x 6", "Sum, 144", "flatten, 144"]

    def test_a_single_layer(self):
        assert captions(draw_block(nn.Conv2d(1, 2, 3, groups=1), (1, 1, 5, 5))) == [
            "input, 1 x 5 x 5",
            "3x3 conv, 2 x 3 x 3",
        ]

    def test_ids_where_the_first_layer_is_an_embedding(self):
        assert captions(draw_block(create_model("names_gru"), (1, 7), depth=0)) == [
            "input, 7",
            "embedding, 7 x 100",
            "SequenceEncoder, 7 x 200",
            "linear, 18",
        ]


def test_the_block_stays_as_it_was():
    block = ResidualBlock(4, norm=nn.BatchNorm2d, activation=lambda **_: nn.ReLU(inplace=True))
    state, example = copy.deepcopy(block.state_dict()), torch.randn(3, 4, 6, 6)
    before = example.clone()
    draw_block(block.train(), example)
    assert block.training
    assert all(torch.equal(state[name], value) for name, value in block.state_dict().items())
    assert torch.equal(example, before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in block.modules())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((nn.ReLU, (1, 2)), TypeError, "block must be an nn.Module, got type"),
        ((nn.ReLU(), "12"), TypeError, "inputs must be a tensor, a tuple of tensors, or a shape, got '12'"),
        ((nn.ReLU(), ()), TypeError, r"inputs must be a tensor, a tuple of tensors, or a shape, got \(\)"),
        ((InceptionA(10), (1, 3, 6, 6)), ValueError, r"InceptionA expects inputs of shape \(N, 10, H, W\)"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        draw_block(*arguments)


def test_depth():
    with pytest.raises(ValueError, match="depth must be at least 0, or None for all levels, got -1"):
        draw_block(nn.ReLU(), (1, 2), depth=-1)


def test_an_output_of_nothing():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(2)

    with pytest.raises(ValueError, match="block must compute its output from its input"):
        draw_block(Constant(), (1, 2))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="plotting needs matplotlib"):
        draw_block(nn.ReLU(), (1, 2))
