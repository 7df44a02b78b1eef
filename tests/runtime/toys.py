"""What the tests of the runtime share."""

import random

import numpy as np
import torch
from torch.utils.data import Sampler, TensorDataset


class Around:
    """Passes on what it does not have itself, as the loaders of other libraries do."""

    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)


def dataset():
    return TensorDataset(torch.arange(6.0))


class InPlace(Sampler):
    """Shuffles a list of its own, with generators of its own."""

    def __init__(self):
        self.order = list(range(30))
        self.random = random.Random(3)  # noqa: S311
        self.numpy = np.random.default_rng(3)
        self.legacy = np.random.RandomState(3)
        self.torch = torch.Generator().manual_seed(3)
        self.num_epochs = 0

    def __iter__(self):
        self.num_epochs += 1
        self.random.shuffle(self.order)
        self.legacy.shuffle(self.order)
        order = self.numpy.permutation(self.order)[torch.randperm(30, generator=self.torch).numpy()]
        yield from order.tolist()

    def __len__(self):
        return len(self.order)
