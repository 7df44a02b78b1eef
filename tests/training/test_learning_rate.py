"""Laws of the learning rate finder: what it measures, where it stops, and that nothing has changed."""

import copy
import math
import random
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from practicezoo.data import TensorLoader
from practicezoo.plotting import plot_learning_rate
from practicezoo.training import LearningRateCurve, TrainStep, find_learning_rate
from support.toys import HostReads, classes, mlp, split


def find(model, loader, optimizer, **settings):
    return find_learning_rate(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, **settings)


def quadratic(curvature=1.0):
    """A model whose loss is ``curvature * weight ** 2 / 2``: it diverges above a rate of 2 / curvature."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    return model, [(torch.full((4, 1), math.sqrt(curvature / 2)), torch.zeros(4, 1))]


def test_is_the_sweep_by_hand():
    model, reference = mlp(), mlp()
    batches = split(*classes(), 7)  # five batches, gone through again and again
    torch.manual_seed(2)
    curve = find(model, batches, SGD(model.parameters(), lr=9.0), min_lr=1e-4, max_lr=1e-1, num_updates=13)
    torch.manual_seed(2)
    optimizer = SGD(reference.parameters(), lr=9.0)
    step = TrainStep(reference, optimizer, nn.CrossEntropyLoss())
    reference.train()
    losses = []
    for number in range(13):
        optimizer.param_groups[0]["lr"] = 1e-4 * 1000 ** (number / 12)
        losses.append(step([batches[number % 5]]).loss.item())
    assert curve.losses == pytest.approx(losses, rel=1e-6)
    assert curve.learning_rates == pytest.approx(np.geomspace(1e-4, 1e-1, 13))


def test_suggests_what_trains_and_ends_before_what_diverges():
    model, loader = quadratic(curvature=10.0)
    curve = find_learning_rate(
        model, loader, criterion=nn.MSELoss(), optimizer=SGD(model.parameters(), lr=1.0), num_updates=200
    )
    assert 0.001 < curve.suggestion < 2 / 10
    assert 2 / 10 < curve.learning_rates[-1] < 3
    assert len(curve.losses) == len(curve.learning_rates) < 200
    assert max(curve.losses) < 100


def every_state(model, optimizers, loader):
    """All that a sweep could change."""
    generators = [loader.generator] if getattr(loader, "generator", None) is not None else []
    return copy.deepcopy(
        {
            "model": model.state_dict(),
            "gradients": [parameter.grad for parameter in model.parameters()],
            "flags": [module.training for module in model.modules()],
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "random": [random.getstate(), np.random.get_state()[1].tolist()],  # noqa: NPY002  # the global one
            "torch": torch.get_rng_state(),
            "generators": [generator.get_state() for generator in generators],
        }
    )


def assert_same(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


class Noise(nn.Module):
    """Draws from every global generator, replaces a buffer, and may fail."""

    def __init__(self, *, fails_at=None):
        super().__init__()
        self.count: torch.Tensor
        self.register_buffer("count", torch.zeros(()))
        self.fails_at = fails_at

    def forward(self, inputs):
        self.count = self.count + 1
        if self.count == self.fails_at:
            raise RuntimeError("the model fails")
        noise = random.random() + np.random.rand() + torch.rand(())  # noqa: S311, NPY002  # the global ones
        return inputs + 0.01 * noise


def trained_before(optimizer_class, *, fails_at=None):
    """A model and its optimizer in the middle of a training."""
    model = nn.Sequential(Noise(), mlp(), nn.Linear(3, 3))
    model[2].requires_grad_(requires_grad=False)
    optimizer = optimizer_class(model.parameters(), lr=0.01)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss())
    model.train()
    for batch in split(*classes(), 10):
        step([batch])
    model[1][1].eval()
    model[2].weight.grad = torch.ones(3, 3)
    if fails_at is not None:
        model[0].fails_at = model[0].count + fails_at
    return model, optimizer


LOADERS = {
    "list": lambda: split(*classes(), 10),
    "TensorLoader": lambda: TensorLoader(*classes(), batch_size=10, shuffle=True),
    "its generator": lambda: TensorLoader(
        *classes(), batch_size=10, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "DataLoader": lambda: DataLoader(TensorDataset(*classes()), batch_size=10, shuffle=True),
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("optimizer_class", [Adam, SGD, LBFGS])
def test_afterwards_nothing_has_changed(loader, optimizer_class):
    model, optimizer = trained_before(optimizer_class)
    loader = loader()
    before = every_state(model, [optimizer], loader)
    count, gradients = model[0].count, [parameter.grad for parameter in model.parameters()]
    group = optimizer.param_groups[0]
    find(model, loader, optimizer, num_updates=12, max_lr=1e6)
    assert_same(every_state(model, [optimizer], loader), before)
    assert model[0].count is count
    assert optimizer.param_groups[0] is group
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), gradients, strict=True))


@pytest.mark.parametrize("fails_at", [1, 5])
def test_nothing_has_changed_after_an_exception(fails_at):
    model, optimizer = trained_before(Adam, fails_at=fails_at)
    loader = LOADERS["its generator"]()
    before = every_state(model, [optimizer], loader)
    with pytest.raises(RuntimeError, match="the model fails"):
        find(model, loader, optimizer)
    assert_same(every_state(model, [optimizer], loader), before)


def test_several_optimizers_and_a_criterion_with_weights():
    model, scale = mlp(), nn.Linear(3, 3)

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = scale

        def forward(self, outputs, targets):
            return nn.functional.cross_entropy(self.scale(outputs), targets)

    optimizers = [SGD(model.parameters(), lr=0.1), Adam(scale.parameters(), lr=0.2)]
    before = every_state(nn.ModuleList([model, scale]), optimizers, None)
    curve = find_learning_rate(model, split(*classes(), 10), criterion=Scaled(), optimizer=optimizers)
    assert curve.suggestion is not None
    assert_same(every_state(nn.ModuleList([model, scale]), optimizers, None), before)


def test_the_device_is_read_every_few_updates():
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    batches = split(*classes(), 10)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss())
    with HostReads() as hand:
        for number in range(40):
            step([batches[number % 3]])
    with HostReads() as reads:
        find(model, batches, optimizer, num_updates=40, max_lr=0.1)
    assert reads.count - hand.count <= 12  # four looks; the rest is for random states


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(-5, 5))
def test_smoothing_is_a_mean(losses, shift):
    rates = tuple(range(1, len(losses) + 1))
    smoothed = LearningRateCurve(rates, tuple(losses)).smoothed
    highest = max(losses[: 1 + len(losses) // 10])
    assert min(losses) - 1e-9 <= min(smoothed) <= max(smoothed) <= highest + 1e-9
    shifted = LearningRateCurve(rates, tuple(loss + shift for loss in losses)).smoothed
    assert shifted == pytest.approx([value + shift for value in smoothed], abs=1e-9)


def test_smoothing_lags_to_no_side():
    losses = (5.0,) * 20 + (5.0, 4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 5.0) + (5.0,) * 20
    smoothed = LearningRateCurve(tuple(range(49)), losses).smoothed
    assert smoothed == pytest.approx(smoothed[::-1])
    assert smoothed.index(min(smoothed)) == 24


@pytest.mark.parametrize("seed", range(10))
def test_batches_that_differ_are_no_divergence(seed):
    """Sorted data: the loss of a batch is up to fifty times that of another from the first update on."""
    torch.manual_seed(seed)
    inputs = torch.linspace(-1, 1, 64)[:, None]
    model = nn.Linear(1, 1)
    loader = split(inputs, 2 * inputs, 16)
    curve = find_learning_rate(
        model, loader, criterion=nn.MSELoss(), optimizer=SGD(model.parameters(), lr=0.1)
    )
    assert 0.02 < curve.suggestion < 0.5
    assert curve.learning_rates[-1] > 0.5


@pytest.mark.parametrize(
    ("losses", "suggestion"),
    [
        ([5.0] * 20 + [5 - 4 / (1 + math.exp(-index / 2)) for index in range(-20, 21)], 40),
        ([5.0, 5.0, 5.0], None),
        ([1.0, 2.0, 3.0], None),
        ([3.0, 2.0], None),
        ([3.0], None),
        ([4.0, 3.0, 1.0, 9.0, 3.0], 1),  # a fall behind the least loss does not count
        ([9.0, 5.0, *[5.0] * 15, 4.9, 4.6, 3.0, 2.0, 1.9], 19),  # nor one before anything was learned
    ],
)
def test_the_suggestion_is_where_the_loss_falls_most_steeply(losses, suggestion):
    curve = LearningRateCurve(tuple(range(len(losses))), tuple(losses))
    assert curve.suggestion == suggestion


class TestPlot:
    curve = LearningRateCurve(
        tuple(10.0 ** (n / 2) for n in range(-8, 1)), (3, 3, 3, 2.9, 2.5, 1.5, 1, 1.1, 2)
    )

    def test_losses_and_suggestion(self):
        ax = self.curve.plot()
        assert isinstance(ax, Axes)
        smoothed, losses, mark = ax.lines
        assert tuple(smoothed.get_ydata()) == self.curve.smoothed
        assert tuple(losses.get_ydata()) == self.curve.losses
        assert list(mark.get_xdata()) == [self.curve.suggestion]
        assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "learning rate", "loss")

    def test_without_suggestion_on_the_users_axes(self):
        mine = self.curve.plot().figure.add_subplot()
        assert plot_learning_rate(LearningRateCurve((0.1, 1.0), (1.0, 2.0)), ax=mine) is mine
        assert len(mine.lines) == 2

    def test_without_matplotlib(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match="plotting needs matplotlib"):
            self.curve.plot()


class TestErrors:
    @pytest.mark.parametrize(
        ("min_lr", "max_lr"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (1.0, math.inf)]
    )
    def test_learning_rates(self, min_lr, max_lr):
        with pytest.raises(
            ValueError, match=f"min_lr must be positive and below max_lr, got {min_lr} and {max_lr}"
        ):
            self.find(min_lr=min_lr, max_lr=max_lr)

    def test_too_few_updates(self):
        with pytest.raises(ValueError, match="num_updates must be at least 3, got 2"):
            self.find(num_updates=2)

    def test_empty_loader(self):
        with pytest.raises(ValueError, match="loader must give at least one batch, got none"):
            self.find([])

    def test_an_iterator(self):
        with pytest.raises(
            ValueError,
            match="loader must be a loader or a list that can be iterated over again, got list_iterator",
        ):
            self.find(iter([classes()]))

    def test_no_number_from_the_start(self):
        inputs, targets = classes()
        with pytest.raises(
            FloatingPointError, match="the loss was NaN or infinite before the first update, at 1e-07"
        ):
            self.find([(inputs / 0, targets)])

    def find(self, loader=None, **settings):
        model = mlp()
        loader = [classes()] if loader is None else loader
        return find(model, loader, SGD(model.parameters(), lr=0.1), **settings)


def test_swapped_arguments_are_named():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got list"):
        find_learning_rate([], model, criterion=nn.MSELoss(), optimizer=optimizer)
