"""Batches are read in this process, and as few of them as possible."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import TensorLoader
from practicezoo.data import synthetic_digits
from practicezoo.diagnostics.reading import all_targets, last_batch_size
from support.programs import Program


def test_no_worker_process_is_started(monkeypatch):
    digits = synthetic_digits(300, seed=0)
    data = TensorDataset(digits.normalize(digits.images), digits.targets)
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=2)
    model = nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(1440, 10))
    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter", None)
    assert Program(model, loader, nn.CrossEntropyLoss(), None, loader).check() == []
    with pytest.raises(TypeError):
        next(iter(loader))


def tensors(num_items):
    return TensorDataset(torch.ones(num_items, 2), torch.zeros(num_items))


@pytest.mark.parametrize(
    ("loader", "size"),
    [
        (DataLoader(tensors(33), batch_size=16), 1),
        (DataLoader(tensors(32), batch_size=16), 16),
        (DataLoader(tensors(33), batch_size=16, drop_last=True), None),
        (DataLoader(tensors(33), batch_size=None), None),
        (TensorLoader(torch.ones(9, 2), torch.zeros(9), batch_size=4), 1),
        ([(torch.ones(4), torch.ones(4)), (torch.ones(3), torch.ones(3))], 3),
        ([], None),
        (object(), None),
    ],
)
def test_the_size_of_the_last_batch_is_known_where_a_loader_states_it(loader, size):
    assert last_batch_size(loader) == size


def test_all_targets_are_known_where_they_are_one_tensor():
    data = tensors(5)
    assert all_targets(DataLoader(data)) is data.tensors[1]
    loader = TensorLoader(torch.ones(3, 2), torch.zeros(3), batch_size=2)
    assert all_targets(loader) is loader.tensors[1]
    assert all_targets(DataLoader([1, 2])) is None
    assert all_targets([]) is None
