"""Figures show what the history holds, and leave the user's figures alone."""

import math
import sys

import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from practicezoo.plotting import plot_histories, plot_history
from practicezoo.training import History


@pytest.fixture
def history():
    history = History()
    for train_loss, val_loss, val_accuracy in [(3.0, 2.5, 0.5), (2.0, 1.5, 0.75), (1.0, 2.0, 0.625)]:
        history.append(
            {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy, "seconds": 9.0}
        )
    return history


def lines(ax: Axes) -> dict[str, list[float]]:
    """The labelled curves; the marks at the best epochs have no label."""
    return {
        str(line.get_label()).partition(":")[0]: list(line.get_ydata())
        for other in ax.figure.axes
        for line in other.lines
        if not str(line.get_label()).startswith("_")
    }


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_losses_stand_beside_accuracies_by_default(history, tmp_path):
    ax = plot_history(history)
    assert isinstance(ax, Axes)
    assert list(lines(ax)) == ["val_accuracy", "train_loss", "val_loss"]
    assert list(ax.lines[0].get_xdata()) == [1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "val_accuracy")
    assert ax.figure.axes[1].get_ylabel() == "loss"
    colors = {line.get_color() for other in ax.figure.axes for line in other.lines}
    assert len(colors) == 3
    assert legend(ax) == [
        "train_loss: 1 at epoch 3",
        "val_loss: 1.5 at epoch 2",
        "val_accuracy: 0.75 at epoch 2",
    ]


def test_losses_without_accuracies():
    history = History()
    history.append({"train_loss": 3.0, "learning_rate": 0.1, "val_loss": 2.0, "seconds": 1.0})
    ax = plot_history(history)
    assert list(lines(ax)) == ["train_loss", "val_loss"]
    assert ax.get_ylabel() == "loss"
    assert legend(ax) == ["train_loss: 3 at epoch 1", "val_loss: 2 at epoch 1"]


def test_the_best_epoch_is_marked(history):
    ax = plot_history(history, "val_accuracy")
    assert [text.get_text() for text in ax.texts] == ["0.75 at epoch 2"]
    assert ax.get_legend() is None
    mark = next(line for line in ax.lines if line.get_label().startswith("_"))
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([2], [0.75])


def test_texts_of_two_curves_never_collide(history):
    ax = plot_history(history, "val_loss", "val_accuracy")
    assert not [*ax.texts, *ax.figure.axes[1].texts]
    assert legend(ax) == ["val_loss: 1.5 at epoch 2", "val_accuracy: 0.75 at epoch 2"]
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y1 <= ax.get_window_extent().y0


def test_gaps_are_no_obstacle(history):
    history.append({"val_accuracy": math.nan})
    ax = plot_history(history, "val_accuracy")
    assert lines(ax)["val_accuracy"][:3] == [0.5, 0.75, 0.625]
    assert ax.texts[0].get_text() == "0.75 at epoch 2"


def test_draws_on_the_users_axes(history):
    mine = Figure().add_subplot()
    assert plot_history(history, ax=mine) is mine
    assert lines(mine)


def test_history_plots_itself(history):
    assert list(lines(history.plot("train_loss"))) == ["train_loss"]


def test_epochs_are_whole_numbers(history):
    ax = plot_history(history)
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_pyplot_is_left_alone(history):
    before = plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)
    plot_history(history)
    assert (plt.get_fignums(), plt.get_backend(), dict(plt.rcParams)) == before


def test_figure_can_be_saved(history, tmp_path):
    plot_history(history).figure.savefig(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_no_epochs():
    with pytest.raises(ValueError, match="history must have at least one epoch to draw, got none"):
        plot_history(History())


def test_missing_name(history):
    with pytest.raises(
        KeyError, match="history has no 'val_f1'; it has train_loss, val_loss, val_accuracy, seconds"
    ):
        plot_history(history, "val_f1")


def history_of(*losses, name="train_loss"):
    history = History()
    for loss in losses:
        history.append({name: loss})
    return history


class TestSeveral:
    def test_curves_in_the_order_of_their_last_values(self):
        ax = plot_histories({"a": history_of(3, 2, 1.5), "b": history_of(3, 1), "c": history_of(3, 2)})
        assert lines(ax) == {"b  1": [3, 1], "a  1.5": [3, 2, 1.5], "c  2": [3, 2]}
        assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines(ax))
        assert list(ax.lines[1].get_xdata()) == [1, 2, 3]
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "train_loss", "linear")

    def test_what_is_better_large_stands_first_when_it_is_largest(self):
        histories = {
            name: history_of(value, name="val_accuracy") for name, value in (("a", 0.5), ("b", 0.75))
        }
        assert list(lines(plot_histories(histories, "val_accuracy"))) == ["b  0.75", "a  0.5"]

    @pytest.mark.parametrize(
        ("losses", "scale"), [((1.0, 0.09), "log"), ((1.0, 0.11), "linear"), ((1.0, 0.0), "linear")]
    )
    def test_a_wide_range_of_positive_values_is_logarithmic(self, losses, scale):
        assert plot_histories({"a": history_of(*losses)}).get_yscale() == scale

    def test_a_run_without_an_epoch_is_told(self):
        ax = plot_histories({"a": History(), "b": history_of(1)})
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b  1", "a  diverged"]

    def test_no_two_curves_look_alike(self):
        ax = plot_histories({str(number): history_of(number) for number in range(1, 19)})
        looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
        assert len(looks) == 18

    def test_draws_on_the_users_axes(self):
        mine = Figure().add_subplot()
        assert plot_histories({"a": history_of(1)}, ax=mine) is mine

    @pytest.mark.parametrize("histories", [{}, {"a": History()}])
    def test_no_epochs(self, histories):
        with pytest.raises(ValueError, match="histories must have at least one epoch to draw, got none"):
            plot_histories(histories)

    def test_missing_name(self):
        with pytest.raises(KeyError, match="history has no 'val_loss'; it has train_loss"):
            plot_histories({"a": history_of(1)}, "val_loss")


def test_without_matplotlib(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plotting needs matplotlib: pip install "practicezoo\[plot\]"'):
        plot_history(history)
    with pytest.raises(ImportError, match="plotting needs matplotlib"):
        plot_histories({"a": history})


def test_losses_over_many_magnitudes_are_drawn_on_a_logarithmic_axis():
    history = History()
    for epoch in range(60):
        history.append({"train_loss": 0.5**epoch, "val_accuracy": 1 - 0.5**epoch})
    assert plot_history(history, "train_loss").get_yscale() == "log"
    assert plot_history(history, "val_accuracy").get_yscale() == "linear"
    (line, *_) = plot_history(history, "train_loss").get_lines()
    assert line.get_marker() == ""  # sixty markers would be a band
