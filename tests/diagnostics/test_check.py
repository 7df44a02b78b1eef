"""A check refuses wrong arguments and leaves everything as it was."""

import copy
import random
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from practicezoo import TensorLoader
from practicezoo.diagnostics import check
from runtime.toys import InPlace
from support.programs import CLASSES, FEATURES, classify, features, labels, mlp
from support.toys import classes, same_weights


class Restless(nn.Module):
    """Changes whatever a model can change, and fails if it is told to."""

    def __init__(self, *, fails=False):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.register_buffer("calls", torch.zeros(1), persistent=False)
        self.history = []
        self.fails = fails

    def forward(self, inputs):
        self.calls += random.random() + np.random.rand() + torch.rand(1)  # noqa: NPY002, S311
        self.history.append(len(inputs))
        inputs.add_(1)
        with torch.no_grad():
            self.layers[0].weight.mul_(2)
        outputs = self.layers(inputs)
        if self.fails:
            raise RuntimeError("no luck")
        return outputs


def shuffled(**settings):
    return DataLoader(TensorDataset(*classes()), batch_size=8, shuffle=True, **settings)


LOADERS = {
    "a list": lambda: [classes(20), classes(10)],
    "TensorLoader": lambda: TensorLoader(*classes(), batch_size=8),
    "TensorLoader, shuffled": lambda: TensorLoader(*classes(), batch_size=8, shuffle=True),
    "TensorLoader with a generator": lambda: TensorLoader(
        *classes(), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "DataLoader": shuffled,
    "DataLoader with a generator": lambda: shuffled(generator=torch.Generator().manual_seed(3)),
    "DataLoader with workers": lambda: shuffled(num_workers=1, persistent_workers=True, pin_memory=True),
    "a sampler with a generator": lambda: DataLoader(
        TensorDataset(*classes()),
        batch_size=8,
        sampler=RandomSampler(range(30), generator=torch.Generator().manual_seed(3)),
    ),
    "a sampler with a state": lambda: DataLoader(TensorDataset(*classes()), batch_size=8, sampler=InPlace()),
}


def trace(model, optimizer, loader):
    """Everything that a check could leave behind, as plain values."""
    sampler = getattr(loader, "sampler", None)
    return [
        [(name, tensor.tolist()) for name, tensor in (*model.named_parameters(), *model.named_buffers())],
        [None if each.grad is None else each.grad.tolist() for each in model.parameters()],
        [
            (module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for module in model.modules()
        ],
        list(model.history),
        repr(optimizer.state_dict()),
        [random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()],  # noqa: NPY002
        sorted(vars(loader)) if hasattr(loader, "__dict__") else None,
        [sampler.num_epochs, sampler.order[:]] if isinstance(sampler, InPlace) else None,
        [getattr(loader, name, None) for name in ("_iterator", "num_workers", "pin_memory")],
    ]


def in_training(*, fails):
    """A model in the middle of its training, with gradients and momentum, one layer in evaluation mode."""
    torch.manual_seed(0)
    model = Restless()
    optimizer = Adam(model.parameters())
    inputs, targets = classes()
    nn.functional.cross_entropy(model(inputs.clone()), targets).backward()
    optimizer.step()
    model.layers[1].eval()
    model.fails = fails
    return model, optimizer


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", LOADERS)
def test_nothing_is_changed(kind, fails):
    model, optimizer = in_training(fails=fails)
    loader = LOADERS[kind]()
    scheduler = StepLR(optimizer, 3)
    before = [*trace(model, optimizer, loader), scheduler.state_dict()]
    found = check(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        val_loader=loader,
        lr_scheduler=scheduler,
        epochs=5,
    )
    assert [finding.code for finding in found] == (["forward-fails"] if fails else [])
    assert [*trace(model, optimizer, loader), scheduler.state_dict()] == before


@pytest.mark.parametrize("kind", [kind for kind in LOADERS if "workers" not in kind])
def test_training_after_a_check_gets_the_same_batches(kind):
    def batches(checked):
        model, optimizer = in_training(fails=False)
        loader = LOADERS[kind]()
        if checked:
            check(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, val_loader=loader)
        return [(inputs.tolist(), targets.tolist()) for _ in range(2) for inputs, targets in loader]

    assert batches(checked=True) == batches(checked=False)


def test_parameters_and_buffers_of_a_criterion_are_not_changed():
    class Centers(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen: torch.Tensor
            self.centers = nn.Parameter(torch.randn(CLASSES, CLASSES))
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, outputs, targets):
            self.seen += len(targets)
            return (outputs - self.centers[targets]).square().mean()

    criterion = Centers()
    before = copy.deepcopy(criterion)
    model = mlp()
    parameters = [*model.parameters(), *criterion.parameters()]
    assert classify(model, criterion=criterion, optimizer=Adam(parameters)).check() == []
    (finding,) = classify(model, criterion=criterion, optimizer=Adam(model.parameters())).check()
    assert finding.message == "no optimizer has criterion.centers"
    assert same_weights(criterion, before)
    assert criterion.centers.grad is None


def test_a_keyboard_interrupt_ends_the_check_and_restores_random_numbers():
    class Interrupted(nn.Linear):
        def forward(self, inputs):
            torch.rand(1)
            raise KeyboardInterrupt

    program = classify(Interrupted(FEATURES, CLASSES))
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        program.check()
    assert torch.equal(torch.get_rng_state(), before)


def test_hooks_of_an_optimizer_that_reach_for_the_model_change_nothing():
    model, optimizer = in_training(fails=False)

    def noise(*_):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
                parameter.grad = None

    optimizer.register_step_pre_hook(noise)
    before = trace(model, optimizer, [])
    check(model, [classes(20)], criterion=nn.CrossEntropyLoss(), optimizer=optimizer)
    assert trace(model, optimizer, []) == before


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_check_works_without_gradients_around_it(mode):
    with mode():
        assert classify().check() == []


def check_with(**arguments):
    settings = {"model": mlp(), "loader": [(features(), labels())], "criterion": nn.CrossEntropyLoss()}
    settings |= arguments
    return check(settings.pop("model"), settings.pop("loader"), **settings)


@pytest.mark.parametrize(
    ("name", "given"), [("model", nn.ReLU), ("criterion", nn.MSELoss), ("optimizer", SGD), ("loader", list)]
)
def test_a_class_is_refused_where_an_instance_is_needed(name, given):
    with pytest.raises(TypeError, match=f"{name} must be an instance, got the class {given.__name__}"):
        check_with(**{name: given})


def test_the_model_must_be_a_module():
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got builtin_function_or_method"):
        check_with(model=len)


def test_the_criterion_must_be_callable():
    with pytest.raises(TypeError, match="criterion must be callable, got int"):
        check_with(criterion=3)


@pytest.mark.parametrize("optimizer", [0.1, [0.1]])
def test_the_optimizer_must_be_one_or_several(optimizer):
    with pytest.raises(TypeError, match="optimizer must be an optimizer or several, got float"):
        check_with(optimizer=optimizer)


def test_the_scheduler_must_have_a_step():
    with pytest.raises(TypeError, match=r"lr_scheduler must have a method step\(\), got float"):
        check_with(lr_scheduler=[0.1])
    with pytest.raises(TypeError, match="lr_scheduler must be an instance, got the class StepLR"):
        check_with(lr_scheduler=StepLR)


def test_the_epochs_must_be_a_count():
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        check_with(epochs=0)


def test_a_network_too_large_for_updates_is_told_and_tried_by_a_thorough_check(monkeypatch):
    monkeypatch.setattr(sys.modules[check.__module__], "WORK", 1e6)
    model = mlp()
    settings = {"model": model, "optimizer": SGD(model.parameters(), lr=100)}
    with pytest.warns(UserWarning, match="whether it learns was not tried: thorough=True allows for more"):
        assert check_with(**settings) == []
    (finding,) = check_with(**settings, thorough=True)
    assert finding.code == "does-not-learn"


def test_a_slow_program_is_tried_with_as_many_updates_as_a_fast_one():
    class Slow(nn.Linear):
        def forward(self, inputs):
            time.sleep(0.01)
            return super().forward(inputs)

    model = Slow(FEATURES, CLASSES)
    (finding,) = check_with(model=model, optimizer=SGD(model.parameters(), lr=100))
    assert finding.message.startswith("30 updates on one batch")


@pytest.mark.parametrize("name", ["loader", "val_loader"])
def test_a_loader_must_be_iterable(name):
    with pytest.raises(TypeError, match=f"^{name} must be an iterable of batches, got int"):
        check_with(**{name: 3})


@pytest.mark.parametrize("name", ["loader", "val_loader"])
def test_a_loader_must_not_be_used_up_by_one_iteration(name):
    rule = f"^{name} must be a loader or a list that can be iterated over again, got list_it"
    with pytest.raises(ValueError, match=rule):
        check_with(**{name: iter([])})


def test_a_scripted_model_is_refused():
    with warnings.catch_warnings(action="ignore"):  # torch would rather have it compiled
        traced = torch.jit.trace(mlp(), features())
    with pytest.raises(TypeError, match="model must be in Python to be looked into, got a scripted module"):
        classify(nn.Sequential(traced)).check()


def test_findings_of_a_criterion_come_in_the_order_of_its_losses():
    def criterion(outputs, targets):
        scores = F.cross_entropy(outputs.softmax(dim=1), targets)
        return scores + F.mse_loss(outputs[:, 0], targets.float()[:, None])

    findings = check(nn.Linear(4, 3), [(torch.randn(6, 4), torch.arange(6) % 3)], criterion=criterion)
    assert [each.code for each in findings] == ["softmax-before-cross-entropy", "silent-broadcast"]


def test_a_finding_that_follows_from_another_is_left_out():
    broken = torch.full((32, FEATURES), torch.nan)
    assert [finding.code for finding in check_with(loader=[(broken, labels())])] == ["input-not-finite"]


def test_a_class_as_a_transform_is_no_error_of_the_check():
    data = TensorDataset(features(), labels())
    data.transform = float
    assert check_with(loader=DataLoader(data, batch_size=8, shuffle=True)) == []
