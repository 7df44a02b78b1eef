"""Laws over several processes: what each rank runs, and what one process with the joined batches runs.

Each law takes a place (rank and world size) and returns what all places must agree on. Alone, at place
(0, 1), the same code sees the joined batches.
"""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim import LBFGS, SGD, Adam

from practicezoo import LengthBucketBatchSampler, TensorLoader
from practicezoo.runtime.collectives import any_rank
from practicezoo.training import (
    Accuracy,
    Callback,
    TrainStep,
    distributed_context,
    evaluate,
    fit,
    predict,
    sum_over_ranks,
    train_epoch,
)
from support.losses import LOSSES, Loss

NUM_ITEMS = 17  # no multiple of 2 or 3: shards are uneven, the last ones more so
TIMEOUT = 60.0


class Place(NamedTuple):
    """A process among those that train together."""

    rank: int
    world_size: int


Law = Callable[[Place], Any]
LAWS: dict[str, Law] = {}


def law(function: Law) -> Law:
    """Enter a law under its name."""
    LAWS[function.__name__] = function
    return function


def data() -> tuple[Tensor, Tensor]:
    """Inputs (N, 5) and targets (N,) of four classes."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(NUM_ITEMS, 5, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(4, (NUM_ITEMS,), generator=generator)


def network() -> nn.Sequential:
    """A network without batch norm, in float64."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)).double()


def loader(*tensors: Tensor, place: Place, joint_size: int = 6, **settings: Any) -> TensorLoader:
    """This place's share of batches that have ``joint_size`` rows together."""
    rank, world_size = place
    size = joint_size // world_size
    return TensorLoader(*tensors, batch_size=size, num_replicas=world_size, rank=rank, **settings)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def trained(place: Place, loss: Loss, accumulate: int) -> dict[str, Any]:
    """An epoch of fit over uneven shards: weights, gradient norms and history."""
    model = loss.make_model()
    if place.rank > 0:  # rank 0's start is everyone's
        nn.init.zeros_(model[0].weight)
    norms: list[Tensor] = []

    class Norms(Callback):
        def on_step_end(self, run, result):
            norms.append(result.grad_norm)

    history = fit(
        model,
        loader(loss.make_inputs(NUM_ITEMS), loss.make_targets(NUM_ITEMS), place=place, shuffle=True, seed=3),
        criterion=loss.criterion,
        optimizer=SGD(model.parameters(), lr=0.05, momentum=0.9),
        epochs=1,
        max_grad_norm=0.2,
        accumulate=accumulate,
        callbacks=[Norms()],
    )
    return {"weights": weights(model), "norms": norms, "loss": history["train_loss"]}


@law
def every_criterion(place: Place) -> Any:
    return {
        (name, accumulate): trained(place, loss, accumulate)
        for name, loss in LOSSES.items()
        for accumulate in (1, 3, 99)
    }


@law
def a_rank_where_nothing_counts(place: Place) -> Any:
    inputs, targets = torch.arange(30.0).view(6, 5).sin().double(), torch.tensor([1, 0, 3, -100, -100, -100])
    model = network()
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
    # the last rank, all of whose targets are ignored, has rows nevertheless
    result = step([*loader(inputs, targets, place=place)])
    return weights(model), sum_over_ranks(result.loss_sum, result.weight)


@law
def a_second_fit_goes_on(place: Place) -> Any:
    model = network()
    optimizer = Adam(model.parameters(), lr=0.05)
    for _ in range(2):
        batches = loader(*data(), place=place, drop_last=True)
        fit(model, batches, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1, accumulate=2)
    return weights(model)


@law
def lbfgs(place: Place) -> Any:
    model = network()
    optimizer = LBFGS(model.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(ignore_index=1))
    for _ in range(3):
        list(train_epoch(step, loader(*data(), place=place, drop_last=True), accumulate=2))
    return weights(model)


class Temperature(nn.Module):
    """A criterion with a parameter of its own."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs * self.scale, targets)


@law
def a_criterion_with_parameters(place: Place) -> Any:
    results = []
    for is_frozen in (False, True):
        model, criterion = network().requires_grad_(not is_frozen), Temperature(1.0 + place.rank)
        trained = criterion.parameters() if is_frozen else [*model.parameters(), *criterion.parameters()]
        step = TrainStep(model, Adam(trained, lr=0.05), criterion)
        list(train_epoch(step, loader(*data(), place=place, drop_last=True), accumulate=2))
        results.append((weights(model), weights(criterion)))
    return results


class Sometimes(nn.Module):
    """Uses its second layer only for inputs above a bound."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.seldom = nn.Linear(1, 1), nn.Linear(1, 1)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.always(inputs)
        high = inputs[:, 0] > 3
        return outputs + high[:, None] * self.seldom(inputs) if high.any() else outputs


@law
def a_layer_that_one_rank_does_not_use(place: Place) -> Any:
    inputs = torch.arange(6.0).view(6, 1).double()
    model = Sometimes().double()
    wrapped = DistributedDataParallel(model, find_unused_parameters=True) if place.world_size > 1 else model
    step = TrainStep(wrapped, SGD(model.parameters(), lr=0.01), nn.MSELoss())
    for _ in range(3):
        list(train_epoch(step, loader(inputs, 2 * inputs, place=place)))
    assert step.model is model
    few = loader(inputs[:1], 2 * inputs[:1], place=place)  # one rank has a batch, the others have none
    return weights(model), evaluate(wrapped, few, criterion=nn.MSELoss())


@law
def evaluation(place: Place) -> Any:
    from torchmetrics import MeanMetric
    from torchmetrics.classification import MulticlassAccuracy

    class MeanClass(MeanMetric):
        def update(self, outputs: Tensor, targets: Tensor) -> None:  # type: ignore[override]
            super().update(outputs.argmax(dim=1))

    results = {}
    for num_items in (1, 2, 7, NUM_ITEMS):  # ranks without any batch, and with one more than others
        inputs, targets = (part[:num_items] for part in data())
        metrics = {
            "accuracy": Accuracy(),
            "theirs": MulticlassAccuracy(4, average="micro"),
            "class": MeanClass(),
        }
        results[num_items] = evaluate(
            network(),
            loader(inputs, targets, place=place),
            criterion=nn.CrossEntropyLoss(),
            metrics=metrics,
        )
    return results


@law
def everything_is_predicted_once(place: Place) -> Any:
    outputs = predict(network(), loader(*data(), place=place))
    return sum_over_ranks(len(outputs), outputs.sum())


@law
def the_run_stops_alike(place: Place) -> Any:
    class LastRankStops(Callback):
        def on_step_end(self, run, result):
            run.should_stop = run.epoch == 2 and place.rank == place.world_size - 1

    class SeesTheStop(Callback):
        def on_epoch_end(self, run):
            seen.append(run.should_stop)

    seen: list[bool] = []
    model = network()
    history = fit(
        model,
        loader(*data(), place=place, drop_last=True),
        criterion=nn.CrossEntropyLoss(),
        optimizer=SGD(model.parameters(), lr=0.1),
        epochs=9,
        callbacks=[LastRankStops(), SeesTheStop()],
    )
    return len(history), seen


@law
def batch_norms_statistics_are_those_of_rank_0(place: Place) -> Any:
    model = nn.BatchNorm1d(5).double()
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss())
    inputs, _ = data()
    list(train_epoch(step, loader(inputs, inputs, place=place, drop_last=True)))
    means = torch.stack([torch.as_tensor(total) for total in sum_over_ranks(*model.running_mean.unbind())])
    return torch.allclose(means, model.running_mean * place.world_size, rtol=1e-14)


@law
def errors(place: Place) -> Any:
    """Messages that all ranks give alike; alone there is nothing to compare."""
    if place.world_size == 1:
        return None
    inputs, targets = data()

    def run(loader: Any, inputs_like: Tensor = inputs, **settings: Any) -> str:
        model = network()
        optimizer = SGD(model.parameters(), lr=settings.pop("lr", 0.1))
        try:
            fit(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1, **settings)
        except (ValueError, FloatingPointError) as error:
            return f"{type(error).__name__}: {error}"
        return "none"

    nan_on_the_last = inputs.clone()
    if place.rank == place.world_size - 1:
        nan_on_the_last[-1] = torch.nan
    whole = [(inputs, targets)]
    return {
        "lengths": run(whole * (1 + place.rank)),
        "nan": run([(nan_on_the_last, targets)]),
        "val_nan": run(whole, val_loader=[(nan_on_the_last, targets)]),
        "empty": run([]),
        "nobody_measures": _nobody_measures(),
        "any_rank": (any_rank(False), any_rank(place.rank == 1)),
    }


def _nobody_measures() -> str:
    try:
        evaluate(network(), [], criterion=nn.CrossEntropyLoss())
    except ValueError as error:
        return str(error)
    return "none"


@law
def a_missing_gradient_is_named(place: Place) -> Any:
    if place.world_size == 1:
        return None
    model = nn.ModuleDict({"used": nn.Linear(5, 4), "idle": nn.Linear(5, 4)}).double()
    model.forward = model["used"].forward
    try:
        TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())([data()])
    except ValueError as error:
        return str(error).replace(f"rank {place.rank}", "rank R")
    return "none"


@law
def bucketed_batches(place: Place) -> Any:
    """Shards of the sampler together are the batches of one process."""
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3]
    counts = torch.zeros(len(lengths))
    rank, world_size = place
    sampler = LengthBucketBatchSampler(lengths, 6 // world_size, seed=1, num_replicas=world_size, rank=rank)
    for number, batch in enumerate(sampler, start=1):
        counts[batch] += number
    return sum_over_ranks(*counts)


def work(rank: int, ports: dict[int, int], folder: Path) -> None:
    """One process: run the laws for each world size that has this rank, and write down what came out."""
    torch.set_num_threads(1)
    for world_size, port in ports.items():
        if rank >= world_size:
            continue
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        results: dict[str, Any] = {}
        with distributed_context("cpu", timeout=TIMEOUT) as context:
            assert (context.rank, context.world_size) == (rank, world_size)
            assert context.is_main == (rank == 0)
            for name, function in LAWS.items():
                try:
                    results[name] = function(Place(rank, world_size))
                except Exception:  # noqa: BLE001  # the test of this law shows it
                    results[name] = traceback.format_exc()
        torch.save(results, folder / f"{world_size}-{rank}.pt")
