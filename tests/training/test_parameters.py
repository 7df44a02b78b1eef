"""`fit` warns once of what it can see before it trains, and of no sound program."""

import time
import warnings

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from practicezoo import TensorLoader, fit, freeze
from practicezoo.training.parameters import warn_of_parameters

LOADER = TensorLoader(torch.randn(24, 4), torch.zeros(24, 1), batch_size=8)


class Learned(nn.Module):
    """A criterion with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs, targets):
        return (self.scale * outputs - targets).square().mean()


def network():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


def warnings_of(model, optimizer, criterion=None):
    """What three epochs with validation warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(
            model,
            LOADER,
            criterion=criterion or nn.MSELoss(),
            optimizer=optimizer,
            epochs=3,
            val_loader=LOADER,
            progress=False,
        )
    assert all(each.filename == __file__ for each in caught)  # it points at the program
    return [str(each.message) for each in caught]


def missed():
    model = network()
    return model, SGD(model[3].parameters(), lr=0.01)


def twice():
    model = network()
    return model, [SGD(model.parameters(), lr=0.01), Adam(model[3].parameters())]


def moving():
    model = network()
    model[:2].requires_grad_(requires_grad=False)
    return model, SGD(model[3].parameters(), lr=0.01)


def missed_by_a_criterion():
    model = network()
    return model, SGD(model.parameters(), lr=0.01), Learned()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missed, r"no optimizer has 0.weight, 0.bias, 1.weight and 1 more, so they stay as they are"),
        (twice, "each update changes 3.weight, 3.bias twice"),
        (moving, "the batch norms 1 are frozen"),
        (missed_by_a_criterion, "no optimizer has criterion.scale, so they stay as they are"),
    ],
)
def test_a_mistake_is_warned_of_once(make, message):
    (warning,) = warnings_of(*make())
    assert warning.startswith(message)


def frozen():
    model = network()
    freeze(model[:2])
    return model, SGD(model[3].parameters(), lr=0.01)


def frozen_by_hand():
    model = network()
    model[:2].requires_grad_(requires_grad=False).eval()
    return model, SGD(model.parameters(), lr=0.01)


def frozen_without_a_norm():
    model = network()
    model[0].requires_grad_(requires_grad=False)
    return model, SGD([each for each in model.parameters() if each.requires_grad], lr=0.01)


def two_optimizers():
    model = network()
    return model, [SGD(model[:2].parameters(), lr=0.01), Adam(model[3].parameters())]


def two_groups():
    model = network()
    groups = [{"params": model[:2].parameters(), "lr": 0.001}, {"params": model[3].parameters()}]
    return model, SGD(groups, lr=0.01)


def shared_weights():
    model = network()
    model.insert(1, model[0])  # one layer, at two places
    return model, Adam(model.parameters())


def a_criterion_that_is_trained():
    model, criterion = network(), Learned()
    return model, Adam([*model.parameters(), *criterion.parameters()]), criterion


@pytest.mark.parametrize(
    "make",
    [
        frozen,
        frozen_by_hand,
        frozen_without_a_norm,
        two_optimizers,
        two_groups,
        shared_weights,
        a_criterion_that_is_trained,
    ],
)
def test_a_sound_program_is_not_warned_of(make):
    assert warnings_of(*make()) == []


def test_the_look_at_a_large_network_takes_no_time():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(500)))
    optimizer = SGD(model.parameters(), lr=0.01)
    started = time.perf_counter()
    warn_of_parameters(model, nn.MSELoss(), [optimizer])
    assert time.perf_counter() - started < 0.5  # a thousand parameters; it takes some milliseconds
