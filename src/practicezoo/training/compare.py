"""The same training several times over, with one thing changed: the optimizer, or the activation."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.arguments import check_restartable
from practicezoo.metrics.loss import Criterion
from practicezoo.metrics.metric import Function, Metric
from practicezoo.runtime.randomness import generator_state, generators_of, set_generator_state
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.history import History
from practicezoo.training.loop import fit
from practicezoo.training.run import Run

__all__ = ["compare_activations", "compare_optimizers"]

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


def compare_optimizers(
    model_factory: Callable[[], nn.Module],
    data: Iterable[Any],
    optimizers: Mapping[str, OptimizerFactory],
    *,
    criterion: Criterion,
    epochs: int,
    val_loader: Iterable[Any] | None = None,
    metrics: Mapping[str, Metric | Function] | None = None,
    seed: int = 0,
) -> dict[str, History]:
    """Train the same network from the same start on the same batches, once with each optimizer.

    Before a network is made, and again before it is trained, torch's random numbers are seeded (its global
    generator is given back as it was), and ``data``'s own generators, if it has any, go back to where
    they stood. A run whose loss becomes NaN or infinite ends there, with a warning.

    Args:
        model_factory: makes a fresh network, initialised with torch's random numbers.
        data: gives pairs of inputs and targets, as often as it is asked: a loader, or a list of batches.
        optimizers: by name, what makes an optimizer from the network's parameters, such as
            ``partial(torch.optim.SGD, lr=0.1)``.
        criterion: called with outputs and targets, returns a scalar.
        epochs: how many times to go through ``data``.
        val_loader: measured after each epoch; see :func:`fit`.
        metrics: what else to measure on ``val_loader``, by name.
        seed: decides start and batches.

    Returns:
        The history of each run, by the optimizer's name; of a run that diverged, the epochs before.
        :func:`~practicezoo.plotting.plot_histories` draws them.

    Raises:
        ValueError: if ``optimizers`` is empty, or ``data`` can be gone through only once; and as :func:`fit`.

    Example:
        >>> x = torch.tensor([[1.0], [2.0], [3.0]])
        >>> rates = {f"lr {lr}": partial(torch.optim.SGD, lr=lr) for lr in (0.01, 0.05)}
        >>> histories = compare_optimizers(
        ...     partial(nn.Linear, 1, 1), [(x, 2 * x)], rates, criterion=nn.MSELoss(), epochs=10
        ... )
        >>> histories["lr 0.05"]["train_loss"][-1] < histories["lr 0.01"]["train_loss"][-1]
        True

    Source: the course's exercise on optimizers.
    """
    if not optimizers:
        raise ValueError("optimizers must name at least one optimizer, got none")
    runs = {name: (model_factory, optimizer) for name, optimizer in optimizers.items()}
    return _compare(
        runs, data, seed, criterion=criterion, epochs=epochs, val_loader=val_loader, metrics=metrics
    )


def compare_activations(
    model_factory: Callable[[Any], nn.Module],
    data: Iterable[Any],
    activations: Mapping[str, Any],
    *,
    optimizer: OptimizerFactory,
    criterion: Criterion,
    epochs: int,
    val_loader: Iterable[Any] | None = None,
    metrics: Mapping[str, Metric | Function] | None = None,
    seed: int = 0,
) -> dict[str, History]:
    """Train a network from the same start on the same batches, once with each activation.

    Start and batches are the same as in :func:`compare_optimizers`, if making the activations samples no
    random numbers.

    Args:
        model_factory: makes a fresh network with the activation that it is given.
        data: gives pairs of inputs and targets, as often as it is asked.
        activations: by name, what ``model_factory`` is given: classes such as ``nn.ReLU``, or None.
        optimizer: makes the optimizer from the network's parameters.
        criterion: called with outputs and targets, returns a scalar.
        epochs: how many times to go through ``data``.
        val_loader: measured after each epoch; see :func:`fit`.
        metrics: what else to measure on ``val_loader``, by name.
        seed: decides start and batches.

    Returns:
        The history of each run, by the activation's name; of a run that diverged, the epochs before.

    Raises:
        ValueError: if ``activations`` is empty, or ``data`` can be gone through only once; and as
            :func:`fit`.

    Example:
        >>> def network(activation):
        ...     return nn.Sequential(nn.Linear(1, 4), activation(), nn.Linear(4, 1))
        >>> x = torch.linspace(-1, 1, 20)[:, None]
        >>> histories = compare_activations(
        ...     network,
        ...     [(x, x.square())],
        ...     {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU},
        ...     optimizer=partial(torch.optim.Adam, lr=0.1),
        ...     criterion=nn.MSELoss(),
        ...     epochs=50,
        ... )
        >>> [len(history) for history in histories.values()]
        [50, 50]
    """
    if not activations:
        raise ValueError("activations must name at least one activation, got none")
    runs = {name: (partial(model_factory, value), optimizer) for name, value in activations.items()}
    return _compare(
        runs, data, seed, criterion=criterion, epochs=epochs, val_loader=val_loader, metrics=metrics
    )


def _compare(
    runs: Mapping[str, tuple[Callable[[], nn.Module], OptimizerFactory]],
    data: Iterable[Any],
    seed: int,
    *,
    criterion: Criterion,
    epochs: int,
    val_loader: Iterable[Any] | None,
    metrics: Mapping[str, Metric | Function] | None,
) -> dict[str, History]:
    check_restartable(data=data)
    generators = generators_of(data)
    states = [generator_state(generator) for generator in generators]
    histories = {}
    for name, (model_factory, optimizer_factory) in runs.items():
        recorder = _Recorder()
        for generator, state in zip(generators, states, strict=True):
            set_generator_state(generator, state)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = model_factory()
            torch.manual_seed(seed)  # whatever the start drew, the batches are the same
            try:
                fit(
                    model,
                    data,
                    criterion=criterion,
                    optimizer=optimizer_factory(model.parameters()),
                    epochs=epochs,
                    val_loader=val_loader,
                    metrics=metrics,
                    callbacks=[recorder],
                    progress=False,
                )
            except FloatingPointError as error:
                warnings.warn(f"{name}: {error}", RuntimeWarning, stacklevel=3)
        histories[name] = recorder.history
    return histories


class _Recorder(Callback):
    """Keeps the history of a run that may not return it."""

    def __init__(self) -> None:
        self.history = History()

    def on_epoch_end(self, run: Run) -> None:
        self.history = run.history
