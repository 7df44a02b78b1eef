"""parameter_groups: every trainable parameter once, each layer with its own learning rate."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import OneCycleLR

from practicezoo import create_model, freeze
from practicezoo.training import parameter_groups
from support.contracts import over_registered


class Positions(nn.Module):
    """Has a parameter of its own beside its layers."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(3))
        self.body = nn.Linear(3, 3)
        self.norm = nn.LayerNorm(3)
        self.head = nn.Linear(3, 2)

    def forward(self, inputs):
        return self.head(self.norm(self.body(inputs + self.positions)))


def summary(groups):
    return [(group["name"], len(group["params"]), group["lr"]) for group in groups]


@over_registered()
def test_every_parameter_is_in_one_group(name):
    model = create_model(name)
    groups = parameter_groups(model, lr=0.1, layer_decay=0.5)
    grouped = [parameter for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(model.parameters())
    rates = [group["lr"] for group in groups]
    assert rates == sorted(rates)
    assert rates[-1] == 0.1


def test_a_norm_belongs_to_the_layer_before_it_and_a_models_own_parameters_are_its_first_layer():
    groups = parameter_groups(Positions(), lr=1.0, layer_decay=0.1)
    assert summary(groups) == [("", 1, pytest.approx(0.01)), ("body", 4, 0.1), ("head", 2, 1.0)]


def test_lists_and_sequences_of_modules_are_layers_one_by_one():
    model = nn.Sequential(nn.ModuleList([nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))]))
    assert [(name, count) for name, count, _ in summary(parameter_groups(model, lr=1.0))] == [
        ("0.0", 2),
        ("0.1.0", 4),
    ]


def test_a_model_of_one_parameter_is_one_group():
    assert summary(parameter_groups(nn.Linear(2, 1), lr=1.0, layer_decay=0.5)) == [("", 2, 1.0)]


def test_what_is_frozen_is_left_out_and_shared_parameters_come_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    model[2].weight = model[1].weight
    freeze(model[0])
    assert summary(parameter_groups(model, lr=1.0, layer_decay=0.5)) == [("1", 2, 0.5), ("2", 1, 1.0)]


def test_without_a_decay_an_update_is_that_of_one_group():
    torch.manual_seed(0)
    one, many = Positions(), Positions()
    many.load_state_dict(copy.deepcopy(one.state_dict()))
    inputs = torch.randn(4, 3)
    for model, parameters in ((one, one.parameters()), (many, parameter_groups(DataParallel(many), lr=0.1))):
        model(inputs).square().sum().backward()
        AdamW(parameters, lr=0.1).step()
    assert all(map(torch.equal, one.parameters(), many.parameters()))


def test_a_scheduler_scales_each_groups_own_rate():
    groups = parameter_groups(Positions(), lr=1.0, layer_decay=0.1)
    optimizer = SGD(groups)
    OneCycleLR(optimizer, [group["lr"] for group in groups], total_steps=10)
    _, low, high = (group["lr"] for group in optimizer.param_groups)
    assert low == pytest.approx(0.1 * high)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.0}, r"lr must be positive, got 0\.0"),
        ({"lr": 0.1, "layer_decay": 1.5}, r"layer_decay must lie in \(0, 1\], got 1\.5"),
        ({"lr": 0.1, "layer_decay": 0.0}, r"layer_decay must lie in \(0, 1\], got 0\.0"),
    ],
)
def test_rates_and_decays_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        parameter_groups(nn.Linear(1, 1), **settings)


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match=r"model must have parameters to train, got none: unfreeze\(...\)"):
        parameter_groups(freeze(nn.Linear(1, 1)), lr=0.1)
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got list"):
        parameter_groups([nn.Parameter(torch.zeros(1))], lr=0.1)
