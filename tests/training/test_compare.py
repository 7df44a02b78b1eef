"""Comparisons change one thing and nothing else."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import ASGD, LBFGS, SGD, Adagrad, Adam, Adamax, RMSprop, Rprop
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from practicezoo import TensorLoader
from practicezoo.training import Accuracy, compare_activations, compare_optimizers, fit
from support.toys import classes

OPTIMIZERS = {
    optimizer.__name__: partial(optimizer, lr=0.01)
    for optimizer in (Adagrad, Adam, Adamax, ASGD, LBFGS, RMSprop, Rprop, SGD)
}
make = partial(nn.Linear, 5, 3)
criterion = nn.CrossEntropyLoss()


def network(activation) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), activation(), nn.Dropout(0.2), nn.Linear(8, 3))


def values(histories):
    """The losses of each run: everything that does not depend on the clock."""
    return [history["train_loss"] for history in histories.values()]


def seeded(**settings):
    return TensorLoader(*classes(), batch_size=8, shuffle=True, **settings)


LOADERS = {
    "list": lambda: [classes(20), classes(10)],
    "global generator": seeded,
    "seed": lambda: seeded(seed=3),
    "generator": lambda: seeded(generator=torch.Generator().manual_seed(3)),
    "DataLoader": lambda: DataLoader(TensorDataset(*classes()), batch_size=8, shuffle=True),
    "DataLoader's generator": lambda: DataLoader(
        TensorDataset(*classes()), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3)
    ),
    "sampler's generator": lambda: DataLoader(
        TensorDataset(*classes()),
        batch_size=8,
        sampler=RandomSampler(range(30), generator=torch.Generator().manual_seed(3)),
    ),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_the_same_optimizer_twice_is_the_same_run_twice(loader):
    twice = {"first": partial(SGD, lr=0.1), "second": partial(SGD, lr=0.1)}
    histories = compare_optimizers(
        lambda: network(nn.ReLU), LOADERS[loader](), twice, criterion=criterion, epochs=3
    )
    first, second = values(histories)
    assert first == second
    assert len(first) == 3


def test_a_run_is_what_fit_gives():
    def by_hand(make_optimizer):
        torch.manual_seed(7)
        model = make()
        torch.manual_seed(7)
        optimizer = make_optimizer(model.parameters())
        return fit(model, seeded(), criterion=criterion, optimizer=optimizer, epochs=4, progress=False)

    histories = compare_optimizers(make, seeded(), OPTIMIZERS, criterion=criterion, epochs=4, seed=7)
    assert list(histories) == list(OPTIMIZERS)
    assert values(histories) == [by_hand(each)["train_loss"] for each in OPTIMIZERS.values()]
    assert len({tuple(losses) for losses in values(histories)}) == len(OPTIMIZERS)


def test_another_seed_is_another_start():
    runs = [
        values(
            compare_optimizers(
                make, seeded(), {"SGD": OPTIMIZERS["SGD"]}, criterion=criterion, epochs=1, seed=s
            )
        )
        for s in (0, 1)
    ]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("loader", LOADERS)
def test_the_global_generator_stays(loader):
    data = LOADERS[loader]()
    before = torch.get_rng_state()
    compare_optimizers(lambda: network(nn.ReLU), data, OPTIMIZERS, criterion=criterion, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_activations_start_alike_and_see_the_same_batches():
    class Noisy(nn.Tanh):
        """Draws random numbers when it is made, unlike nn.Tanh."""

        def __init__(self) -> None:
            super().__init__()
            torch.rand(3)

    def last_activation(activation) -> nn.Module:
        return nn.Sequential(nn.Linear(5, 3), activation())

    histories = compare_activations(
        last_activation,
        seeded(),
        {"tanh": nn.Tanh, "noisy": Noisy, "ReLU": nn.ReLU},
        optimizer=partial(Adam, lr=0.01),
        criterion=criterion,
        epochs=3,
    )
    tanh, noisy, relu = values(histories)
    assert tanh == noisy
    assert tanh != relu


def test_validation_and_metrics():
    histories = compare_activations(
        network,
        seeded(),
        {"ReLU": nn.ReLU},
        optimizer=partial(SGD, lr=0.1),
        criterion=criterion,
        epochs=2,
        val_loader=[classes()],
        metrics={"accuracy": Accuracy()},
    )
    assert len(histories["ReLU"]["val_accuracy"]) == 2


def test_a_run_that_diverges_keeps_its_epochs_and_stops_no_other():
    rates = {"wild": partial(SGD, lr=1e4), "tame": partial(SGD, lr=1e-3)}
    x = torch.linspace(-1, 1, 10)[:, None]
    with pytest.warns(RuntimeWarning, match="wild: the loss became .* at learning rate 1e"):
        histories = compare_optimizers(
            partial(nn.Linear, 1, 1), [(x, x)], rates, criterion=nn.MSELoss(), epochs=30
        )
    assert 0 < len(histories["wild"]) < 30
    assert all(math.isfinite(loss) for loss in histories["wild"]["train_loss"])
    assert len(histories["tame"]) == 30


def test_nothing_to_compare_and_data_for_one_pass_are_refused():
    with pytest.raises(ValueError, match="optimizers must name at least one optimizer, got none"):
        compare_optimizers(make, seeded(), {}, criterion=criterion, epochs=1)
    with pytest.raises(ValueError, match="activations must name at least one activation, got none"):
        compare_activations(
            network, seeded(), {}, optimizer=partial(SGD, lr=0.1), criterion=criterion, epochs=1
        )
    with pytest.raises(
        ValueError, match="data must be a loader or a list that can be iterated over again, got generator"
    ):
        compare_optimizers(make, (batch for batch in [classes()]), OPTIMIZERS, criterion=criterion, epochs=1)
