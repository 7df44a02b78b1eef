"""
Learning rate finder
====================

A hundred updates at rising learning rates show where training is fast and
where it diverges; afterwards nothing has changed.
"""

import torch
from torch import nn

from practicezoo import (
    MLP,
    TensorLoader,
    find_learning_rate,
    seed_everything,
    synthetic_digits,
)

seed_everything(0)
train = synthetic_digits(1000, seed=0)
loader = TensorLoader(
    *train.tensors(), batch_size=50, shuffle=True, transform=train.normalize
)
model = MLP([784, 128, 10])
before = model(torch.zeros(1, 1, 28, 28))
curve = find_learning_rate(
    model,
    loader,
    criterion=nn.CrossEntropyLoss(),
    optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
)
print(f"suggestion {curve.suggestion:.2g}")
print("unchanged:", torch.equal(before, model(torch.zeros(1, 1, 28, 28))))
curve.plot()
