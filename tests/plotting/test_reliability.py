"""Reliability diagrams show confidence, accuracy, intervals and counts."""

import sys

import pytest
import torch
from matplotlib.figure import Figure

from practicezoo.metrics.calibration import calibration_error, reliability, wilson_interval
from practicezoo.plotting import plot_reliability

LOGITS = torch.tensor([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 5).log()
TARGETS = torch.tensor([0] * 8 + [1] * 2 + [0] * 3 + [1] * 2)


def test_a_bins_point_stands_at_its_confidence_and_accuracy(tmp_path):
    ax = plot_reliability(LOGITS, TARGETS)
    ((line, _, (bars,)),) = ax.containers
    torch.testing.assert_close(
        torch.tensor(line.get_xydata()), torch.tensor([[0.6, 0.6], [0.9, 0.8]]).double()
    )
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx(wilson_interval(3, 5)), pytest.approx(wilson_interval(8, 10))]
    assert [text.get_text() for text in ax.texts] == ["5", "10"]
    assert ax.get_title() == f"expected calibration error {calibration_error(LOGITS, TARGETS):.4f}"
    ax.figure.savefig(tmp_path / "figure.png")  # warnings are errors


def test_draws_on_the_users_axes():
    mine = Figure().add_subplot()
    assert plot_reliability(LOGITS, TARGETS, ax=mine) is mine


def test_all_right_and_all_wrong_are_drawn(tmp_path):
    for right in (True, False):
        ax = plot_reliability(torch.tensor([[100.0, 0.0]] * 3), torch.full((3,), int(not right)))
        ax.figure.savefig(tmp_path / "figure.png")
        assert ax.containers[0][0].get_xydata().tolist() == [[1, int(right)]]


def test_bins_add_up_to_the_error():
    torch.manual_seed(0)
    logits, targets = 2 * torch.randn(500, 4), torch.randint(4, (500,))
    found = reliability(logits, targets)
    assert sum(found.counts) == 500
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    error = 0.0
    for number in range(15):  # as the definition has it
        inside = (confidence >= number / 15) & (confidence < (number + 1) / 15)
        if inside.any():
            gap = confidence[inside].mean() - (predicted == targets)[inside].double().mean()
            error += inside.double().mean().item() * abs(gap.item())
    assert found.error == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3, 2), (4,)), ((0, 2), (0,)), ((3, 2), (3, 1))])
def test_shapes_that_do_not_fit(shapes):
    outputs, targets = torch.zeros(shapes[0]), torch.zeros(shapes[1], dtype=torch.int64)
    with pytest.raises(ValueError, match=r"logits must be \(N, C\) and targets \(N,\) with at least one row"):
        plot_reliability(outputs, targets)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plotting needs matplotlib: pip install "practicezoo\[plot\]"'):
        plot_reliability(LOGITS, TARGETS)
