"""Which way a measure is better: by the metric, by its name, or said by the user; never guessed."""

import pytest
import torch
import torchmetrics
from torch import nn

from practicezoo import Checkpointer, EarlyStopping, History, TensorLoader, fit
from practicezoo.metrics.direction import known_direction


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_MAE", "min"),
        ("val_rmse", "min"),
        ("train_loss", "min"),
        ("val_cross_entropy", "min"),
        ("top1_error", "min"),
        ("val_Accuracy", "max"),
        ("val_F1", "max"),
        ("val_auroc_2", "max"),
        ("val_score", None),
        ("learning_rate", None),
        ("lossless", None),
    ],
)
def test_a_names_last_word_tells_its_direction(name, direction):
    assert known_direction(name) == direction


def train(metrics, callbacks):
    torch.manual_seed(0)
    x = torch.randn(256, 4)
    model, loader = nn.Linear(4, 1), TensorLoader(x, x.sum(1, keepdim=True), batch_size=32)
    return fit(
        model,
        loader,
        criterion=nn.MSELoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.02),
        epochs=8,
        val_loader=loader,
        metrics=metrics,
        callbacks=callbacks,
    )


@pytest.mark.parametrize("name", ["MAE", "mae", "Quality"])
def test_the_lower_error_is_the_better_one(name):
    stopping = EarlyStopping(f"val_{name}", patience=2, restore_best=True)
    history = train({name: torchmetrics.MeanAbsoluteError()}, [stopping])
    assert (len(history), stopping.best_epoch) == (8, 8)
    assert history.best(f"val_{name}").epoch == 8


@pytest.mark.parametrize(
    "make", [lambda _: EarlyStopping("val_q"), lambda at: Checkpointer(at, monitor="val_q")]
)
def test_an_unknown_direction_is_refused_before_the_first_epoch(make, tmp_path):
    def never(outputs, targets):
        raise AssertionError("nothing is to be measured")

    with pytest.raises(ValueError, match="mode must be 'min' or 'max' for 'val_q', whose name does not tell"):
        train({"q": never}, [make(tmp_path)])


def test_a_history_refuses_to_guess():
    history = History()
    history.append({"val_q": 1.0})
    with pytest.raises(ValueError, match="mode must be 'min' or 'max' for 'val_q'"):
        history.best("val_q")
    assert history.best("val_q", mode="max").value == 1.0
