"""What is frozen stays as it is through training, measuring and looking."""

import copy

import pytest
import torch
from torch import nn

from practicezoo import TensorLoader, check, find_learning_rate, fit, freeze, unfreeze

X = torch.randn(48, 4) * 3 + 2
LOADER = TensorLoader(X, torch.zeros(48, 1), batch_size=8)


def network(frozen):
    backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model = nn.Sequential(backbone, nn.Linear(4, 1))
    if frozen == "by hand":
        backbone.requires_grad_(False).eval()
    elif frozen == "freeze":
        freeze(backbone)
    return model


def train(model, parameters, epochs=3):
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    fit(model, LOADER, criterion=nn.MSELoss(), optimizer=optimizer, epochs=epochs, val_loader=LOADER)


@pytest.mark.parametrize("frozen", ["by hand", "freeze"])
@pytest.mark.parametrize("copied", [False, True])
def test_a_frozen_backbone_stays_through_fit(frozen, copied):
    model = network(frozen)
    model = copy.deepcopy(model) if copied else model
    before = copy.deepcopy(model[0].state_dict())
    seen = []
    model[0][2].register_forward_hook(lambda module, *_: seen.append(module.training))
    train(model, model[1].parameters())
    train(model, model[1].parameters())
    for name, value in model[0].state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(seen)
    assert model[1].training


def test_a_module_in_evaluation_mode_that_is_trained_is_not_frozen():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[1].eval()
    before = model[1].running_mean.clone()
    train(model, model.parameters())
    assert not torch.equal(before, model[1].running_mean)


def test_the_learning_rate_sweep_and_the_check_leave_it_too():
    model = network("freeze")
    before = copy.deepcopy(model.state_dict())
    seen = []
    model[0][2].register_forward_hook(lambda module, *_: seen.append(module.training))
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.01)
    find_learning_rate(model, LOADER, criterion=nn.MSELoss(), optimizer=optimizer, num_updates=5)
    check(model, LOADER, criterion=nn.MSELoss(), optimizer=optimizer)
    assert seen
    assert not any(seen)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_unfreeze_undoes_freeze():
    model = network("freeze")
    unfreeze(model[0])
    before = model[0][1].running_mean.clone()
    train(model, model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not torch.equal(before, model[0][1].running_mean)


def test_parameters_without_an_optimizer_are_warned_of():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    message = r"no optimizer has 0\.weight, 0\.bias, so they stay as they are: make the optimizer after"
    with pytest.warns(UserWarning, match=message):
        train(model, model[1].parameters(), epochs=1)
    freeze(model[0])
    train(model, model[1].parameters(), epochs=1)


def test_parameters_in_two_optimizers_are_warned_of():
    model = nn.Linear(4, 1)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01) for _ in range(2)]
    with pytest.warns(
        UserWarning, match="each update changes weight, bias twice: give each parameter to one"
    ):
        fit(model, LOADER, criterion=nn.MSELoss(), optimizer=optimizers, epochs=1)


def test_batch_norms_that_are_frozen_and_move_are_warned_of():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[:2].requires_grad_(requires_grad=False)
    with pytest.warns(UserWarning, match="the batch norms 1 are frozen, and in training mode they take on"):
        train(model, model[2].parameters(), epochs=1)
    freeze(model[:2])
    train(model, model[2].parameters(), epochs=1)


def test_a_model_whose_train_keeps_its_norms_is_not_warned_of():
    class Kept(nn.Sequential):
        def train(self, mode: bool = True):
            super().train(mode)
            self[1].eval()
            return self

    model = Kept(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[:2].requires_grad_(requires_grad=False)
    train(model, model[2].parameters(), epochs=1)  # warnings are errors here


def test_parameters_of_a_criterion_without_an_optimizer_are_warned_of():
    criterion = nn.Module()
    criterion.scale = nn.Parameter(torch.ones(1))
    criterion.forward = lambda outputs, targets: (criterion.scale * (outputs - targets).square()).mean()
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with pytest.warns(UserWarning, match=r"no optimizer has criterion\.scale, so"):
        fit(model, LOADER, criterion=criterion, optimizer=optimizer, epochs=1)
