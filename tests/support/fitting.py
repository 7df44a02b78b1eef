"""Models and calls of ``fit`` with the defaults that the tests of training do not care about."""

import torch
from torch import nn
from torch.optim import SGD

from practicezoo.training import TrainStep, fit


def linear(in_features: int = 5, out_features: int = 3) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(in_features, out_features).double()


def step_for(model: nn.Module, **settings) -> TrainStep:
    return TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), **settings)


def fit_for(model: nn.Module, loader, *, lr: float = 0.1, **settings):
    settings = {
        "criterion": nn.CrossEntropyLoss(),
        "epochs": 1,
        "optimizer": SGD(model.parameters(), lr=lr),
    } | settings
    return fit(model, loader, **settings)
