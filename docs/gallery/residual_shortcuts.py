"""
Residual shortcuts compared
===========================

The same small network with three shortcuts, trained from the same start on
the same drawn digits.
"""

from functools import partial

import torch
from torch import nn

from practicezoo import (
    Accuracy,
    ResidualNet,
    TensorLoader,
    fit,
    seed_everything,
    synthetic_digits,
)
from practicezoo.models import notes_stage
from practicezoo.plotting import draw_block, plot_histories

train, test = synthetic_digits(600, seed=0), synthetic_digits(300, seed=1)
test_loader = TensorLoader(
    *test.tensors(), batch_size=300, transform=test.normalize
)


def trained(shortcut):
    seed_everything(0)
    stage = partial(notes_stage, shortcut=shortcut)
    model = ResidualNet(channels=(10, 20), stage=stage)
    loader = TensorLoader(
        *train.tensors(),
        batch_size=50,
        shuffle=True,
        transform=train.normalize,
    )
    return fit(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=3e-3),
        epochs=4,
        val_loader=test_loader,
        metrics={"accuracy": Accuracy()},
        progress=False,
    )


histories = {
    shortcut: trained(shortcut)
    for shortcut in ("conv1x1", "scale", "exclusive_gate")
}
plot_histories(histories, "val_accuracy")

# %%
# Four epochs and one seed compare nothing for good: change ``seed_everything``
# and the order changes too. What the exclusive gate computes:
from practicezoo import ResidualBlock

draw_block(ResidualBlock(16, shortcut="exclusive_gate"), (1, 16, 12, 12))
