"""What `fit` adds to the loop written by hand, in counts rather than seconds: no machine's noise is in them.

Both loops run here, so what a version of torch does in a forward pass or an optimizer cancels out.
"""

import sys
from collections import Counter

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from practicezoo.data import TensorLoader
from practicezoo.models import CharGRUClassifier
from practicezoo.sequences import PaddedSequence
from practicezoo.training import evaluate, fit
from support.toys import HostReads

NUM_ITEMS, BATCH_SIZE = 1024, 8
NUM_UPDATES = NUM_ITEMS // BATCH_SIZE  # 128: the losses of 64 are added up at once


class Dispatched(TorchDispatchMode):
    """Counts the operations that reach torch's kernels, by name."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


class Called:
    """Counts the calls of Python functions."""

    def __init__(self):
        self.count = 0

    def __enter__(self):
        sys.setprofile(self._see)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)

    def _see(self, frame, event, argument):
        self.count += event == "call"


def mlp_over_tensors():
    inputs, targets = torch.rand(NUM_ITEMS, 6), torch.randint(4, (NUM_ITEMS,))
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    loader = TensorLoader(inputs, targets, batch_size=BATCH_SIZE)
    return model, loader, nn.CrossEntropyLoss(), Adam(model.parameters())


def batch_norm_over_a_data_loader():
    data = TensorDataset(torch.rand(NUM_ITEMS, 6), torch.rand(NUM_ITEMS, 2))
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    return model, DataLoader(data, batch_size=BATCH_SIZE), nn.MSELoss(), SGD(model.parameters(), lr=0.1)


def gru_over_padded_names():
    names = PaddedSequence(torch.randint(1, 128, (NUM_ITEMS, 4)), torch.randint(1, 5, (NUM_ITEMS,)))
    model = CharGRUClassifier(num_classes=3, embedding_dim=4, hidden_size=4, num_layers=1)
    loader = TensorLoader(names, torch.randint(3, (NUM_ITEMS,)), batch_size=BATCH_SIZE)
    return model, loader, nn.CrossEntropyLoss(), Adam(model.parameters())


TASKS = [mlp_over_tensors, batch_norm_over_a_data_loader, gru_over_padded_names]
# The hand-written loop sums its losses in three operations an update (detach, times the items, add), and its
# zero_grad begins and ends a label for the profiler.
SPARED = {mlp_over_tensors: 3, batch_norm_over_a_data_loader: 2, gru_over_padded_names: 3}


def by_hand(model, loader, criterion, optimizer):
    """The loop that `fit` replaces: the loss is summed on the device and read once."""
    model.train()
    loss_sum = torch.zeros(())
    for inputs, targets in loader:
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(targets)
    return (loss_sum / NUM_ITEMS).item()


def by_fit(model, loader, criterion, optimizer, **settings):
    fit(model, loader, criterion=criterion, optimizer=optimizer, epochs=1, progress=False, **settings)


def evaluated_by_hand(model, loader, criterion, _optimizer):
    model.eval()
    loss_sum = torch.zeros(())
    with torch.no_grad():
        for inputs, targets in loader:
            loss_sum += criterion(model(inputs), targets) * len(targets)
    return (loss_sum / NUM_ITEMS).item()


def evaluated(model, loader, criterion, _optimizer):
    return evaluate(model, loader, criterion=criterion)["loss"]


def measured(counter, make, loop, **settings):
    torch.manual_seed(0)
    task = make()
    with counter:
        loop(*task, **settings)
    return counter


@pytest.mark.parametrize("make", TASKS)
def test_operations_beyond_the_hand_written_loops(make):
    hand = measured(Dispatched(), make, by_hand).counts.total()
    ours = measured(Dispatched(), make, by_fit).counts.total()
    assert hand > 20 * NUM_UPDATES
    # what is less than one in each update adds up losses, 64 at once
    assert (ours - hand) / NUM_UPDATES < -SPARED[make]


@pytest.mark.parametrize("make", TASKS)
def test_operations_of_an_evaluation_beyond_the_hand_written_loops(make):
    """The losses are added up 64 at once, which spares two operations; cross entropy's targets take two."""
    hand = measured(Dispatched(), make, evaluated_by_hand).counts.total()
    ours = measured(Dispatched(), make, evaluated).counts.total()
    assert hand > 5 * NUM_UPDATES
    assert (ours - hand) / NUM_UPDATES < (-1 if make is batch_norm_over_a_data_loader else 1)


@pytest.mark.parametrize("make", TASKS)
def test_python_calls_beyond_the_hand_written_loops(make):
    hand = measured(Called(), make, by_hand).count
    ours = measured(Called(), make, by_fit).count
    assert (ours - hand) / NUM_UPDATES < 28


@pytest.mark.parametrize("make", TASKS)
def test_host_reads_of_an_epoch_beyond_the_hand_written_loops(make):
    hand, ours = (measured(HostReads(), make, loop).count for loop in (by_hand, by_fit))
    assert ours - hand <= 1 + NUM_UPDATES // 50  # is the loss finite, after each 50 updates and at the end?
