"""Schedulers step when torch's documentation means it, or are refused."""

import warnings
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from practicezoo import Accuracy, TensorLoader, TrainStep, fit

X = torch.randn(64, 4)
Y = (X.sum(1) > 0).long()
NUM_UPDATES = 8  # of an epoch


def train(make, *, epochs=4, **settings):
    model, loader = nn.Linear(4, 2), TensorLoader(X, Y, batch_size=8)
    optimizer = SGD(model.parameters(), lr=1.0)
    scheduler = make(optimizer)
    history = fit(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=epochs,
        lr_scheduler=scheduler,
        **settings,
    )
    return history, scheduler


def test_a_step_is_an_epoch_as_in_every_tutorial():
    history, _ = train(lambda o: StepLR(o, step_size=2))
    assert history["learning_rate"] == pytest.approx([1.0, 1.0, 0.1, 0.1])


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda o: OneCycleLR(o, 1.0, total_steps=4 * NUM_UPDATES), 4 * NUM_UPDATES),
        (lambda o: CyclicLR(o, 0.1, 1.0), 4 * NUM_UPDATES),
        (lambda o: CosineAnnealingLR(o, T_max=4), 4),
        (lambda o: LambdaLR(o, lambda epoch: 0.9**epoch), 4),
        (lambda o: SequentialLR(o, [ConstantLR(o, total_iters=1), CosineAnnealingLR(o, 3)], [1]), 4),
    ],
)
def test_auto_steps_as_often_as_torch_documents(make, count):
    assert train(make)[1].last_epoch == count


def test_one_cycle_inside_another_scheduler_steps_with_updates():
    def make(optimizer):
        cycle = OneCycleLR(optimizer, 1.0, total_steps=4 * NUM_UPDATES)
        return SequentialLR(optimizer, [ConstantLR(optimizer, total_iters=2), cycle], milestones=[3])

    assert train(make)[1].last_epoch == 4 * NUM_UPDATES


def test_schedulers_of_updates_and_epochs_in_one_are_refused():
    message = "ChainedScheduler mixes OneCycleLR, which steps after each update, with StepLR"
    with pytest.raises(ValueError, match=message):
        train(lambda o: ChainedScheduler([OneCycleLR(o, 1.0, total_steps=100), StepLR(o, 2)]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda o: CosineAnnealingLR(o, T_max=100),
            "CosineAnnealingLR .* 100 steps, .* 4 epochs",
        ),
        (lambda o: CosineAnnealingWarmRestarts(o, T_0=50), "made for 50 steps"),
        (lambda o: LinearLR(o, total_iters=500), "LinearLR steps after each epoch and is made for 500 steps"),
        (lambda o: MultiStepLR(o, milestones=[2, 80]), "MultiStepLR .* made for 80 steps"),
        (
            lambda o: LambdaLR(o, lambda step: min(1.0, (step + 1) / 500)),
            "only rises, as in a warm-up",
        ),
    ],
)
def test_a_length_in_updates_is_warned_of_before_training(make, message):
    with pytest.warns(UserWarning, match=message) as caught:
        train(make)
    assert 'lr_scheduler_interval="update"' in str(caught[0].message)
    for interval in ("update", "epoch"):
        with warnings.catch_warnings(action="error"):
            train(make, lr_scheduler_interval=interval)


def test_a_warm_up_of_epochs_is_not_warned_of():
    train(lambda o: LambdaLR(o, lambda epoch: min(1.0, (epoch + 1) / 2)))


def test_a_vanished_rate_is_warned_of_once():
    with pytest.warns(UserWarning, match="below a millionth of its start 1: nothing is learned") as caught:
        train(lambda o: StepLR(o, 1, gamma=0.1), lr_scheduler_interval="update")
    assert len(caught) == 1


def test_a_cycle_shorter_than_the_run_is_refused_before_training():
    message = "OneCycleLR must have at least the run's 32 updates as total_steps, got 31"
    with pytest.raises(ValueError, match=message):
        train(lambda o: OneCycleLR(o, 1.0, total_steps=31))


def test_a_scheduler_of_another_optimizer_is_refused():
    other = SGD(nn.Linear(4, 2).parameters(), lr=1.0)
    message = "lr_scheduler must be of the optimizer that trains, got a StepLR of another SGD"
    with pytest.raises(ValueError, match=message):
        train(lambda _: StepLR(other, 1))
    model = nn.Linear(4, 2)
    with pytest.raises(ValueError, match=message):
        TrainStep(
            model, SGD(model.parameters(), lr=1.0), nn.CrossEntropyLoss(), lr_scheduler=StepLR(other, 1)
        )


def test_anything_with_a_step_is_a_scheduler():
    class Halve:
        def __init__(self, optimizer):
            self.group = optimizer.param_groups[0]

        def step(self):
            self.group["lr"] /= 2

    assert train(Halve)[0]["learning_rate"] == [1.0, 0.5, 0.25, 0.125]
    with pytest.raises(TypeError, match=r"lr_scheduler must have a method step\(\), got str"):
        train(lambda _: ["cosine"])


class TestPlateau:
    settings: ClassVar = {
        "val_loader": TensorLoader(X, Y, batch_size=64),
        "metrics": {"accuracy": Accuracy()},
    }
    pair: ClassVar = {**settings, "metrics": {"pair": lambda outputs, _: outputs.mean(dim=0)}}

    def test_a_mode_against_the_monitored_value_is_refused(self):
        message = "mode='max', and lower is better for 'val_loss': set lr_scheduler_monitor"
        with pytest.raises(ValueError, match=message):
            train(lambda o: ReduceLROnPlateau(o, mode="max"), **self.settings)
        message = "mode='min', and higher is better for 'val_accuracy'"
        with pytest.raises(ValueError, match=message):
            train(ReduceLROnPlateau, lr_scheduler_monitor="val_accuracy", **self.settings)

    def test_it_looks_at_the_value_that_is_named(self):
        history, scheduler = train(
            lambda o: ReduceLROnPlateau(o, mode="max", patience=0),
            lr_scheduler_monitor="val_accuracy",
            epochs=6,
            **self.settings,
        )
        assert scheduler.best == pytest.approx(max(history["val_accuracy"]), abs=1e-3)

    def test_it_looks_at_one_of_a_metrics_several_values(self):
        history, scheduler = train(
            lambda o: ReduceLROnPlateau(o, mode="min"), lr_scheduler_monitor="val_pair_1", **self.pair
        )
        assert scheduler.best == pytest.approx(min(history["val_pair_1"]))

    def test_the_name_of_several_values_is_refused(self):
        with pytest.raises(ValueError, match=r"must be one of train_loss, .* val_pair_1, .*, got 'val_pair'"):
            train(ReduceLROnPlateau, lr_scheduler_monitor="val_pair", **self.pair)

    def test_an_unmeasured_monitor_is_refused(self):
        with pytest.raises(ValueError, match="lr_scheduler_monitor must be one of train_loss, got 'val_f1'"):
            train(ReduceLROnPlateau, lr_scheduler_monitor="val_f1")
        with pytest.raises(ValueError, match="lr_scheduler_monitor must be None without a ReduceLROnPlateau"):
            train(lambda o: StepLR(o, 1), lr_scheduler_monitor="train_loss")


def test_an_unknown_interval_is_refused():
    with pytest.raises(ValueError, match="lr_scheduler_interval must be one of auto, update, epoch, got"):
        train(lambda o: StepLR(o, 1), lr_scheduler_interval="batch")
