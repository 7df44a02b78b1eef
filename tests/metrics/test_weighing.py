"""The law of weighing: a loss is the criterion on all items at once, however they were cut into batches."""

import pytest
import torch
from torch.optim import SGD

from practicezoo.metrics.loss import loss_weight
from practicezoo.metrics.running_mean import RunningMean
from practicezoo.training import evaluate, fit
from support.losses import LOSSES
from support.slow import slow_unless
from support.toys import HostReads, close, split

NUM_ITEMS = 97


@pytest.mark.parametrize("size", slow_unless([1, 7, 64, NUM_ITEMS], {64}))
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_does_not_depend_on_the_batches(name, size):
    loss = LOSSES[name]
    model, inputs, targets = loss.make_model(), loss.make_inputs(NUM_ITEMS), loss.make_targets(NUM_ITEMS)
    expected = loss.criterion(model(inputs), targets).item()
    if getattr(loss.criterion, "reduction", "mean") == "sum":  # reported per item
        expected /= NUM_ITEMS
    batches = split(inputs, targets, size)
    assert evaluate(model, batches, criterion=loss.criterion) == {"loss": pytest.approx(expected, rel=1e-12)}
    nothing_counts = name == "a class without weight" and size == 1  # torch's mean of nothing is NaN
    for accumulate in (NUM_ITEMS,) if nothing_counts else (1, 3, NUM_ITEMS):
        optimizer = SGD(model.parameters(), lr=0.0)
        history = fit(
            model, batches, criterion=loss.criterion, optimizer=optimizer, epochs=1, accumulate=accumulate
        )
        assert history["train_loss"] == [pytest.approx(expected, rel=1e-12)]


@pytest.mark.parametrize("num_updates", [1, 64, 65, 200])
@pytest.mark.parametrize("as_tensor", [torch.tensor, int])
def test_losses_add_up_without_a_look_at_them(num_updates, as_tensor):
    losses = RunningMean()
    with HostReads() as reads:
        for number in range(num_updates):
            losses.add(torch.tensor(float(number), dtype=torch.float64), as_tensor(number % 3))
        loss_sum, weight = losses.totals()
    assert reads.count == 0
    close(float(loss_sum), float(sum(number * (number % 3) for number in range(num_updates))))
    assert int(weight) == sum(number % 3 for number in range(num_updates))
    assert losses.totals() == (loss_sum, weight)


def test_what_counts_nothing_adds_nothing():
    losses = RunningMean()
    losses.add(torch.tensor(torch.nan), torch.tensor(0))
    losses.add(torch.tensor(2.0), torch.tensor(3))
    assert [float(total) for total in losses.totals()] == [6.0, 3.0]


def test_without_updates_there_is_nothing():
    assert RunningMean().totals() == (0.0, 0)


@pytest.mark.parametrize("name", LOSSES)
def test_the_weight_is_what_the_mean_divides_by(name):
    loss = LOSSES[name]
    criterion, targets = loss.criterion, loss.make_targets(NUM_ITEMS)
    if getattr(criterion, "reduction", None) != "mean":
        pytest.skip("not a mean that can be asked for its sum")
    outputs = loss.make_model()(loss.make_inputs(NUM_ITEMS))
    mean = criterion(outputs, targets)
    criterion.reduction = "sum"
    try:
        total = criterion(outputs, targets)
    finally:
        criterion.reduction = "mean"
    close(total, mean * loss_weight(criterion, targets))
