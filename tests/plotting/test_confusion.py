"""Pictures of confusion matrices hold the numbers, and any class names."""

import sys
from typing import Any

import matplotlib as mpl
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from practicezoo.plotting import plot_confusion_matrix
from practicezoo.plotting import text as _text

PREDICTED, TARGETS = torch.tensor([0, 0, 1, 1, 2, 2, 2]), torch.tensor([0, 0, 0, 1, 2, 2, 2])


def numbers(ax):
    """What stands in the cells: text by (true, predicted)."""
    return {
        (round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts
    }


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def saved(ax, tmp_path):
    """Drawing warns of letters that are missing, and warnings are errors."""
    ax.figure.savefig(tmp_path / "figure.png")
    return (tmp_path / "figure.png").stat().st_size > 0


def test_counts_in_the_cells():
    ax = plot_confusion_matrix(PREDICTED, TARGETS)
    assert isinstance(ax, Axes)
    assert numbers(ax) == {(0, 0): "2", (0, 1): "1", (1, 1): "1", (2, 2): "3"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert labels(ax) == ["0", "1", "2"] == [label.get_text() for label in ax.get_xticklabels()]


def test_shares_of_the_row():
    ax = plot_confusion_matrix(PREDICTED, TARGETS, normalize=True)
    assert numbers(ax) == {(0, 0): "66.7", (0, 1): "33.3", (1, 1): "100.0", (2, 2): "100.0"}


def test_right_and_wrong_have_their_own_shades():
    right, wrong = plot_confusion_matrix(PREDICTED, TARGETS).images
    assert right.get_array().filled(9).diagonal().tolist() == pytest.approx([2 / 3, 1, 1])
    assert wrong.get_array()[0].tolist() == [None, pytest.approx(1 / 3), 0]
    assert right.get_clim() == (0, 1)
    assert wrong.get_clim() == pytest.approx((0, 1 / 3))


def test_a_perfect_model_and_a_class_without_targets(tmp_path):
    ax = plot_confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 2]), classes=["a", "b", "c"])
    assert numbers(ax) == {(0, 0): "1", (2, 2): "1"}
    assert saved(ax, tmp_path)


def test_shades_have_a_key_beside_numbers(tmp_path):
    ax = plot_confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    scales = [other.get_ylabel() for other in ax.figure.axes[1:]]
    assert scales == ["right, of the true class", "mistaken, of the true class"]
    assert len(ax.texts) == 3
    assert saved(ax, tmp_path)


def test_many_classes_have_scales_instead_of_numbers(tmp_path):
    targets = torch.arange(47)
    ax = plot_confusion_matrix(targets.roll(1), targets)
    assert not ax.texts
    assert [other.get_ylabel() for other in ax.figure.axes] == [
        "true",
        "right, of the true class",
        "mistaken, of the true class",
    ]
    assert saved(ax, tmp_path)


def test_draws_on_the_users_axes():
    mine = Figure().add_subplot()
    assert plot_confusion_matrix(PREDICTED, TARGETS, ax=mine) is mine


MATHTEXT: dict[Any, Any] = {"axes.formatter.use_mathtext": True}  # without it cmr10 warns
CHINESE = ["中文", "日本語", "한국어"]


class TestNames:
    def test_any_name_is_drawn_without_a_warning(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_text, "EAST_ASIAN_FONTS", ())
        names = ["Ünïcödé", "$a$ and $b$", "王小明 Wang\nXiao"]
        ax = plot_confusion_matrix(PREDICTED, TARGETS, classes=names)
        assert labels(ax) == ["Ünïcödé", r"\$a\$ and \$b\$", "□□□ Wang Xiao"]
        assert saved(ax, tmp_path)

    def test_installed_east_asian_fonts_are_used(self, tmp_path):
        ax = plot_confusion_matrix(PREDICTED, TARGETS, classes=CHINESE)
        assert saved(ax, tmp_path)

    def test_a_font_that_has_the_letters_takes_over(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_text, "EAST_ASIAN_FONTS", ("No such font", "DejaVu Sans"))
        with mpl.rc_context({"font.family": "cmr10", **MATHTEXT}):
            ax = plot_confusion_matrix(PREDICTED, TARGETS, classes=["Жук", "b", "c"])
            assert labels(ax) == ["Жук", "b", "c"]
            assert ax.get_yticklabels()[0].get_fontfamily() == ["cmr10", "DejaVu Sans"]
            assert saved(ax, tmp_path)

    def test_the_users_own_fonts_come_first(self, monkeypatch):
        monkeypatch.setattr(_text, "EAST_ASIAN_FONTS", ())
        with mpl.rc_context({"font.sans-serif": ["cmr10", "DejaVu Sans"], **MATHTEXT}):
            assert labels(plot_confusion_matrix(PREDICTED, TARGETS, classes=["Жук", "b", "c"]))[0] == "Жук"

    def test_long_names_are_cut(self):
        names = ["a name that is far too long for a figure", "短い" * 10, "c"]
        texts, _ = _text.legible(_text.shorten(name, 24) for name in names)
        assert texts[0] == "a name that is far too…"
        assert _text.width_of([_text.shorten(names[1], 24)]) <= 24
        assert _text.shorten("just short enough", 17) == "just short enough"


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plotting needs matplotlib: pip install "practicezoo\[plot\]"'):
        plot_confusion_matrix(PREDICTED, TARGETS)


@pytest.mark.parametrize(
    ("outputs", "settings", "message"),
    [
        (
            torch.zeros(7, 4),
            {"classes": ["a", "b"]},
            "classes must name the 4 classes of the outputs, got 2 names",
        ),
        (PREDICTED, {"classes": ["a", "b"]}, r"outputs must be classes in \[0, 2\), got 2 at index 4"),
        (torch.zeros(3, 4), {}, r"outputs must be logits .* got \(3, 4\) and \(7,\)"),
    ],
)
def test_outputs_and_class_names_that_do_not_fit_are_refused(outputs, settings, message):
    with pytest.raises(ValueError, match=message):
        plot_confusion_matrix(outputs, TARGETS, **settings)
