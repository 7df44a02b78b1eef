"""Groups of parameters for fine-tuning: which layers, how fast, and what is refused."""

import itertools

import pytest
import torch
from torch import nn

from practicezoo import create_model, fit, freeze
from practicezoo.training import parameter_groups


def test_each_layer_is_slower_than_the_one_after_it():
    groups = parameter_groups(create_model("mnist_resnet"), lr=0.1, layer_decay=0.5)
    rates = [group["lr"] for group in groups]
    assert groups[-1]["name"] == "head"
    assert rates[-1] == 0.1
    assert all(first == pytest.approx(second / 2) for first, second in itertools.pairwise(rates))


@pytest.mark.parametrize("name", ["mnist_mlp", "names_gru", "hello_rnn", "mnist_inception"])
def test_every_parameter_is_in_one_group(name):
    model = create_model(name)
    grouped = [p for group in parameter_groups(model, lr=1.0) for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(model.parameters())


def test_a_models_own_and_shared_parameters_are_grouped_once():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.second = nn.Linear(2, 2)
            self.second.weight = self.first.weight
            self.scale = nn.Parameter(torch.ones(1))

    names = [group["name"] for group in parameter_groups(Scaled(), lr=1.0, layer_decay=0.5)]
    assert names == ["", "first", "second"]


def test_what_is_frozen_is_left_out():
    model = create_model("mnist_cnn")
    freeze(model.features)
    assert [group["name"] for group in parameter_groups(model, lr=1.0)] == ["head"]
    freeze(model)
    with pytest.raises(ValueError, match="model must have a parameter that is trained, got CNN with none"):
        parameter_groups(model, lr=1.0)


def test_fit_trains_with_the_groups():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(parameter_groups(model, lr=0.1, layer_decay=0.1))
    batch = torch.randn(8, 2), torch.randn(8, 1)
    fit(model, [batch], criterion=nn.MSELoss(), optimizer=optimizer, epochs=1, progress=False)
    assert not any(torch.equal(b, p) for b, p in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"lr": 1.0, "layer_decay": 0.0}, r"layer_decay must lie in \(0, 1\], got 0.0"),
        ({"lr": 1.0, "layer_decay": 1.5}, r"layer_decay must lie in \(0, 1\], got 1.5"),
    ],
)
def test_rates_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        parameter_groups(nn.Linear(2, 1), **arguments)
