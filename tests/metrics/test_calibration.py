"""Intervals, calibration errors and temperatures."""

import pytest
import torch

from practicezoo.metrics.calibration import best_temperature, calibration_error, wilson_interval


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],  # Wilson, by statsmodels
)
def test_the_interval_is_wilsons(right, count, low, high):
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("right", "count", "message"),
    [
        (0, 0, "count must be at least 1"),
        (-1, 2, "right must be at least 0"),
        (3, 2, "at most count, got 3 of 2"),
    ],
)
def test_counts_that_are_none(right, count, message):
    with pytest.raises(ValueError, match=message):
        wilson_interval(right, count)


def test_probabilities_that_are_true_have_no_calibration_error_and_need_no_temperature():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(200_000, 3, generator=generator)
    targets = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).flatten()
    assert calibration_error(logits, targets) < 0.005
    assert best_temperature(logits, targets) == pytest.approx(1, abs=0.02)
    assert best_temperature(3 * logits, targets) == pytest.approx(3, abs=0.06)
    assert calibration_error(3 * logits, targets) > 0.1


def test_the_error_of_sure_and_wrong_is_one():
    logits = torch.tensor([[100.0, 0.0]] * 4)
    assert calibration_error(logits, torch.ones(4, dtype=torch.int64)) == pytest.approx(1)
