"""Laws of early stopping."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD

from practicezoo.training import Callback, EarlyStopping, History, Run, TrainStep, evaluate, fit
from support.toys import classes, mlp

NAN = math.nan


def run_through(stopping: EarlyStopping, values: list[float], *, name: str = "val_loss") -> Run:
    """A run whose epochs give these values, and whose weight is the number of its last epoch."""
    model = nn.Linear(1, 1, bias=False)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss())
    run = Run(model, step, len(values))
    for epoch, value in enumerate(values, start=1):
        run.epoch = epoch
        nn.init.constant_(model.weight, epoch)
        run.history.append({name: value})
        stopping.on_epoch_end(run)
        if run.should_stop:
            break
    stopping.on_run_end(run)
    return run


@pytest.mark.parametrize(
    ("values", "settings", "last", "best"),
    [
        ([3, 2, 1, 0], {"patience": 1}, 4, 4),
        ([3, 2, 2.5, 1, 1.5, 1.25, 0], {"patience": 2}, 6, 4),
        ([3, 3, 3, 3, 3], {"patience": 3}, 4, 1),  # an equal value is no improvement
        ([2, 1.5, 1, 0.5], {"patience": 2, "min_delta": 0.5}, 4, 3),  # 0.5 is not greater than 0.5
        ([2, 1.75, 1.5, 1.25], {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([2, 3, 4], {"patience": 1, "mode": "max"}, 3, 3),
        ([2, 3, 4], {"patience": 1, "mode": "min"}, 2, 1),
        ([NAN, 2, 1], {"patience": 1}, 3, 3),
        ([2, NAN, 1, NAN, NAN, 0], {"patience": 2}, 5, 3),
        ([NAN, NAN, NAN, NAN], {"patience": 2}, 3, 1),
        ([NAN, NAN, 5, 6, 7], {"patience": 3}, 5, 3),
        ([math.inf, 2, -math.inf, 1], {"patience": 1}, 4, 3),
    ],
)
def test_stops_when_patience_ends(values, settings, last, best):
    stopping = EarlyStopping(**settings)
    run = run_through(stopping, values)
    assert (run.epoch, stopping.best_epoch) == (last, best)
    assert stopping.best_value == pytest.approx(values[best - 1], nan_ok=True)


@pytest.mark.parametrize(
    ("name", "best"), [("val_accuracy", 3), ("val_loss", 1), ("top1_error", 1), ("val_MAE", 1), ("val_F1", 3)]
)
def test_the_name_tells_which_way_is_better(name, best):
    stopping = EarlyStopping(name)
    run_through(stopping, [1, 2, 3], name=name)
    assert stopping.best_epoch == best


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN, math.inf]), min_size=1, max_size=10), st.integers(1, 4)
)
def test_never_waits_longer_than_patience(values, patience):
    stopping = EarlyStopping(patience=patience)
    last = run_through(stopping, values).epoch

    def best_of(seen):
        numbers = [(value, epoch) for epoch, value in enumerate(seen, start=1) if not math.isnan(value)]
        return min(numbers, default=(NAN, 1))[1]

    waits = [epoch - best_of(values[:epoch]) for epoch in range(1, len(values) + 1)]
    expected = next((epoch for epoch, wait in enumerate(waits, start=1) if wait >= patience), len(values))
    assert (last, stopping.best_epoch) == (expected, best_of(values[:last]))


@pytest.mark.parametrize("patience", [2, 9])  # stopped early, and run to its end
def test_best_weights_come_back(patience):
    run = run_through(EarlyStopping(patience=patience, restore_best=True), [3, 1, 2, 2])
    assert run.model.weight.item() == 2
    assert run.should_stop == (patience == 2)


def test_last_weights_stay_unless_asked():
    assert run_through(EarlyStopping(patience=2), [3, 1, 2, 2]).model.weight.item() == 4


def test_best_weights_come_back_when_another_callback_stopped_the_run():
    class Stop(Callback):
        def on_epoch_end(self, run: Run) -> None:
            run.should_stop = run.epoch == 3

    class Spoil(Callback):
        """Writes the epoch's number into the weights before they are looked at."""

        def on_epoch_end(self, run: Run) -> None:
            nn.init.constant_(run.model[4].bias, run.epoch)

    history, model = fit_with(
        [Spoil(), Stop(), EarlyStopping("learning_rate", mode="min", restore_best=True)]
    )
    assert len(history) == 3
    assert model[4].bias.tolist() == [1.0] * 3


def test_the_same_object_serves_several_runs():
    stopping = EarlyStopping(patience=1, restore_best=True)
    run_through(stopping, [1, 2])
    run = run_through(stopping, [7, 6, 8])
    assert (run.epoch, stopping.best_epoch, run.model.weight.item()) == (3, 2, 2)


def test_in_fit():
    stopping = EarlyStopping(patience=2, restore_best=True)
    history, model = fit_with([stopping], lr=30.0, epochs=30)
    assert len(history) == stopping.best_epoch + 2 < 30
    assert stopping.best_value == min(history["val_loss"])
    results = evaluate(model, [classes()], criterion=nn.CrossEntropyLoss())
    assert results["loss"] == pytest.approx(stopping.best_value)


def test_hooks_do_nothing_unless_written():
    history, _ = fit_with([Callback()])
    assert len(history) == 5


@pytest.mark.parametrize("patience", [0, -1])
def test_patience_below_one(patience):
    with pytest.raises(ValueError, match=f"patience must be at least 1, got {patience}"):
        EarlyStopping(patience=patience)


def test_negative_min_delta():
    with pytest.raises(ValueError, match=r"min_delta must not be negative, got -0\.5"):
        EarlyStopping(min_delta=-0.5)


def test_missing_monitor():
    message = (
        "EarlyStopping's monitor must be one of train_loss, learning_rate, seconds, val_loss, got 'val_f1'"
    )
    with pytest.raises(ValueError, match=message):
        fit_with([EarlyStopping("val_f1")])


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be 'auto', 'min' or 'max', got 'best'"):
        EarlyStopping(mode="best")


def fit_with(callbacks: list[Callback], *, lr: float = 0.1, epochs: int = 5) -> tuple[History, Any]:
    model = mlp()
    torch.manual_seed(1)
    history = fit(
        model,
        [classes()],
        criterion=nn.CrossEntropyLoss(),
        optimizer=SGD(model.parameters(), lr=lr),
        epochs=epochs,
        val_loader=[classes()],
        callbacks=callbacks,
    )
    return history, model
