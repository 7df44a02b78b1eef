"""The training run that `fit`, loops by hand and other frameworks are measured on: a small network, Adam."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from practicezoo import fit
from practicezoo.data import TensorLoader

__all__ = [
    "BATCH_SIZE",
    "LEARNING_RATE",
    "OVER_DATA_LOADER",
    "OVER_TENSOR_LOADER",
    "SEED",
    "SIZES",
    "Loop",
    "Trained",
    "Training",
    "count_updates",
    "make_model",
]

BATCH_SIZE = 64
LEARNING_RATE = 1e-3
SIZES = (784, 32, 10)
SEED = 0


class Trained(NamedTuple):
    """A network and how many updates it got."""

    model: Callable[[Tensor], Tensor]
    num_updates: int


@dataclass(frozen=True)
class Training:
    """What every loop does.

    Shape:
        - inputs: `(N, 784)`, float32
        - targets: `(N,)`, int64
    """

    inputs: Tensor
    targets: Tensor
    epochs: int
    device: str

    @property
    def num_updates(self) -> int:
        """The updates of the run; the last batch of an epoch may be short."""
        return self.epochs * -(-len(self.inputs) // BATCH_SIZE)

    def model_and_optimizer(self) -> tuple[nn.Module, Optimizer]:
        """Build the same start each time."""
        model = make_model().to(self.device)
        return model, Adam(model.parameters(), lr=LEARNING_RATE)

    def data_loader(self) -> DataLoader[Any]:
        """Shuffle with torch's own loader, which reads sample by sample."""
        return DataLoader(TensorDataset(self.inputs, self.targets), batch_size=BATCH_SIZE, shuffle=True)

    def batched_data_loader(self) -> DataLoader[Any]:
        """The fastest that torch's own loader can be: it asks the data set for a whole batch at once."""
        return DataLoader(
            TensorDataset(self.inputs, self.targets), batch_size=None, sampler=self.batch_sampler()
        )

    def batch_sampler(self) -> BatchSampler:
        """Lists of rows, in a new order each epoch."""
        return BatchSampler(RandomSampler(range(len(self.targets))), BATCH_SIZE, drop_last=False)

    def tensor_loader(self) -> TensorLoader:
        """Shuffle with practicezoo's."""
        return TensorLoader(self.inputs, self.targets, batch_size=BATCH_SIZE, shuffle=True)


Loop = Callable[[Training], Trained]


def make_model() -> nn.Module:
    """Return the network, always from the same start."""
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Linear(*SIZES[:2]), nn.ReLU(), nn.Linear(*SIZES[1:]))


def count_updates(optimizer: Any) -> int:
    """The updates that torch's Adam has made."""
    state = next(iter(optimizer.state.values()))
    return int(state["step"])


def hand_over_tensors(training: Training) -> Trained:
    """Index whole tensors, as a careful author does."""
    return _by_hand(training, (_indexed(training) for _ in range(training.epochs)))


def hand_over_tensor_loader(training: Training) -> Trained:
    """The textbook's loop over practicezoo's loader."""
    return _by_hand(training, repeat(training.tensor_loader(), training.epochs))


def hand_over_data_loader(training: Training) -> Trained:
    """The textbook's loop over torch's loader."""
    return _by_hand(training, repeat(training.data_loader(), training.epochs))


def _by_hand(training: Training, epochs: Iterable[Iterable[Any]]) -> Trained:
    """The loss is summed on the device and read once an epoch."""
    model, optimizer = training.model_and_optimizer()
    criterion = nn.CrossEntropyLoss()
    for batches in epochs:
        model.train()
        loss_sum = torch.zeros((), device=training.device)
        for inputs, targets in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(targets)
        (loss_sum / len(training.targets)).item()
    return Trained(model, count_updates(optimizer))


def _indexed(training: Training) -> Iterable[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(training.targets)).to(training.device)
    for rows in order.split(BATCH_SIZE):
        yield training.inputs[rows], training.targets[rows]


def fit_over_tensor_loader(training: Training, *, best: bool) -> Trained:
    """Train with practicezoo as it comes, or without its progress bar."""
    return _fit(training, training.tensor_loader(), best=best)


def fit_over_data_loader(training: Training, *, best: bool) -> Trained:
    """Train with practicezoo over torch's loader."""
    return _fit(training, training.data_loader(), best=best)


def _fit(training: Training, loader: Iterable[Any], *, best: bool) -> Trained:
    model, optimizer = training.model_and_optimizer()
    fit(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=training.epochs,
        progress=not best,
    )
    return Trained(model, count_updates(optimizer))


OVER_TENSOR_LOADER: dict[str, Loop] = {
    "by hand, tensors": hand_over_tensors,
    "by hand, TensorLoader": hand_over_tensor_loader,
    "fit, TensorLoader": partial(fit_over_tensor_loader, best=False),
    "fit, TensorLoader, best": partial(fit_over_tensor_loader, best=True),
}
OVER_DATA_LOADER: dict[str, Loop] = {
    "by hand, DataLoader": hand_over_data_loader,
    "fit, DataLoader": partial(fit_over_data_loader, best=False),
    "fit, DataLoader, best": partial(fit_over_data_loader, best=True),
}
