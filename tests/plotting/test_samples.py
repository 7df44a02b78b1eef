"""The samples that a model got most wrong: the right ones, in order, with true probabilities."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from practicezoo.plotting import plot_most_wrong

CLASSES = ["cat", "dog", "owl"]
TARGETS = torch.tensor([0, 1, 2, 0])
PROBABILITIES = torch.tensor([[0.5, 0.3, 0.2], [0.7, 0.1, 0.2], [0.15, 0.6, 0.25], [0.9, 0.05, 0.05]])
MISTAKEN = torch.tensor([1, 1, 2, 1])  # with these targets all four are mistakes
LOGITS = PROBABILITIES.log() + 3
NAMES = ["Ann", "Bob", "Cid", "Dan"]


def captions(ax):
    return [text.get_text() for text in ax.texts]


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


class TestTexts:
    def test_worst_first_with_both_classes(self, tmp_path):
        ax = plot_most_wrong(LOGITS, TARGETS, NAMES, classes=CLASSES, num_samples=3)
        assert isinstance(ax, Axes)
        assert names(ax) == ["Bob", "Cid"]
        assert captions(ax) == ["cat  70 %", "dog  10 %", "dog  60 %", "owl  25 %"]
        assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.7, 0.1, 0.6, 0.25])
        assert ax.get_title() == "all 2 mistakes"
        top, bottom = sorted(ax.get_ylim())
        assert ax.get_ylim() == (bottom, top)  # the first is on top
        ax.figure.savefig(tmp_path / "names.png")

    def test_classes_are_numbers_unless_named(self):
        assert captions(plot_most_wrong(LOGITS, TARGETS, NAMES, num_samples=1)) == ["0  70 %", "1  10 %"]

    def test_nearly_certain_is_not_certain(self):
        logits = torch.tensor([[9.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
        assert captions(plot_most_wrong(logits, torch.tensor([1, 1]), ["a", "b"])) == [
            "0  100 %",
            "1  0 %",
            "0  >99 %",
            "1  <1 %",
        ]

    def test_any_text(self, tmp_path):
        texts = ["Álvarez", "$1 and $2", "王小明", "a text that goes on and on and on and on"]
        ax = plot_most_wrong(LOGITS, MISTAKEN, texts)
        assert names(ax)[1] == r"\$1 and \$2"
        assert names(ax)[0] == "a text that goes on and on…"
        ax.figure.savefig(tmp_path / "names.png")

    @given(st.permutations(range(4)))
    def test_the_samples_order_does_not_matter(self, order):
        ax = plot_most_wrong(LOGITS[order], MISTAKEN[order], [NAMES[index] for index in order])
        assert names(ax) == ["Dan", "Bob", "Cid", "Ann"]


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize("target_shape", [(3,), (3, 1)])
def test_two_classes(shape, target_shape):
    logits = torch.tensor([0.7, 0.2, 0.9]).logit().reshape(shape)
    targets = torch.tensor([0.0, 1.0, 1.0]).reshape(target_shape)
    ax = plot_most_wrong(logits, targets, ["a", "b", "c"], classes=["no", "yes"])
    assert names(ax) == ["b", "a"]
    assert captions(ax) == ["no  80 %", "yes  20 %", "yes  70 %", "no  30 %"]


def test_right_answers_are_never_shown_as_mistakes(tmp_path):
    ax = plot_most_wrong(LOGITS[:2], TARGETS[:2], NAMES[:2])
    assert (names(ax), ax.get_title()) == (["Bob"], "the one mistake")
    ax = plot_most_wrong(LOGITS, LOGITS.argmax(dim=1), NAMES)
    assert captions(ax) == ["no mistake in 4 samples"]
    ax.figure.savefig(tmp_path / "none.png")


class TestImages:
    @pytest.mark.parametrize("shape", [(4, 1, 6, 5), (4, 6, 5), (4, 3, 6, 5)])
    def test_each_image_is_drawn_as_it_is(self, shape, tmp_path):
        images = torch.rand(shape)
        ax = plot_most_wrong(LOGITS, MISTAKEN, images, classes=CLASSES)
        drawn = [torch.tensor(image.get_array()) for image in ax.images]
        expected = images[[3, 1, 2, 0]]
        expected = expected.movedim(1, -1) if shape[1] == 3 else expected.reshape(4, 6, 5)
        torch.testing.assert_close(torch.stack(drawn), expected)
        assert captions(ax)[:2] == ["cat  90 %", "dog  5 %"]
        ax.figure.savefig(tmp_path / "images.png")

    def test_places_do_not_overlap(self):
        ax = plot_most_wrong(LOGITS.repeat(2, 1), MISTAKEN.repeat(2), torch.rand(8, 1, 6, 5), num_samples=7)
        boxes = [image.get_extent() for image in ax.images]
        assert len(boxes) == 7
        for index, (left, right, bottom, top) in enumerate(boxes):
            assert (top - bottom) / (right - left) == pytest.approx(6 / 5)
            for other_left, other_right, other_bottom, other_top in boxes[:index]:
                beside = right <= other_left or other_right <= left
                assert beside or top <= other_bottom or other_top <= bottom
        left, right = ax.get_xlim()
        bottom, top = ax.get_ylim()
        assert all(left <= box[0] and box[1] <= right and bottom <= box[2] and box[3] <= top for box in boxes)

    def test_bytes_and_normalised_values(self):
        images = torch.rand(4, 1, 6, 5)
        images[:, 0, 0, :2] = torch.tensor([0.0, 1.0])
        as_bytes = plot_most_wrong(LOGITS, MISTAKEN, (images * 255).round().to(torch.uint8))
        normalised = plot_most_wrong(LOGITS, MISTAKEN, (images - 0.13) / 0.3)
        for ax, tolerance in ((as_bytes, 1 / 500), (normalised, 1e-6)):
            drawn = torch.stack([torch.tensor(image.get_array()) for image in ax.images])
            torch.testing.assert_close(drawn, images[[3, 1, 2, 0], 0], rtol=0, atol=tolerance)

    def test_a_constant_image(self, tmp_path):
        plot_most_wrong(LOGITS, TARGETS, torch.full((4, 1, 6, 5), 7.0)).figure.savefig(
            tmp_path / "images.png"
        )

    def test_colours_and_the_users_axes(self):
        mine = Figure().add_subplot()
        assert plot_most_wrong(LOGITS, TARGETS, torch.rand(4, 6, 5), cmap="gray_r", ax=mine) is mine
        assert mine.images[0].get_cmap().name == "gray_r"


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="plotting needs matplotlib"):
        plot_most_wrong(LOGITS, TARGETS, NAMES)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"samples": NAMES[:3]}, "samples must be as many as the targets, got 3 and 4"),
        ({"classes": CLASSES[:2]}, "classes must name the 3 classes of the outputs, got 2 names"),
        ({"targets": torch.tensor([0, 1, 3, 0])}, r"targets must be classes in \[0, 3\), got 3 at index 2"),
        ({"outputs": LOGITS[None]}, r"outputs must be logits \(N, C\) .* got \(1, 4, 3\) and \(4,\)"),
        ({"outputs": LOGITS[:3]}, r"outputs must be logits \(N, C\) .* got \(3, 3\) and \(4,\)"),
        ({"outputs": LOGITS[:0], "targets": TARGETS[:0], "samples": []}, "targets must hold at least one"),
        ({"samples": torch.rand(4, 2, 6, 5)}, r"samples must be images .* got \(4, 2, 6, 5\)"),
        ({"samples": torch.rand(4, 6)}, r"samples must be images .* got \(4, 6\)"),
    ],
)
def test_values(changed, message):
    arguments = {"outputs": LOGITS, "targets": TARGETS, "samples": NAMES} | changed
    with pytest.raises(ValueError, match=message):
        plot_most_wrong(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"outputs": TARGETS}, r"outputs must be logits, got torch.int64"),
        ({"samples": [1, 2, 3, 4]}, "samples must be a tensor of images or texts, got int"),
    ],
)
def test_types(changed, message):
    arguments = {"outputs": LOGITS, "targets": TARGETS, "samples": NAMES} | changed
    with pytest.raises(TypeError, match=message):
        plot_most_wrong(**arguments)
