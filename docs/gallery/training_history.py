"""
History of a training
=====================

Loss and accuracy of every epoch, the best epoch marked, also for a run that
stopped early.
"""

import torch
from torch import nn

from practicezoo import (
    MLP,
    Accuracy,
    EarlyStopping,
    TensorLoader,
    fit,
    seed_everything,
    synthetic_digits,
)

seed_everything(0)
train, val = synthetic_digits(800, seed=0), synthetic_digits(400, seed=1)
train_loader = TensorLoader(
    *train.tensors(), batch_size=40, shuffle=True, transform=train.normalize
)
val_loader = TensorLoader(
    *val.tensors(), batch_size=400, transform=train.normalize
)
model = MLP([784, 128, 10])
history = fit(
    model,
    train_loader,
    criterion=nn.CrossEntropyLoss(),
    optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3),
    epochs=30,
    val_loader=val_loader,
    metrics={"accuracy": Accuracy()},
    callbacks=[EarlyStopping("val_loss", patience=3)],
    progress=False,
)
print(len(history), "epochs; best:", history.best("val_loss"))
history.plot()

# %%
# The training loss still falls where the validation loss does no more: the
# network learns its training images by heart. Some curves alone:
from practicezoo.plotting import plot_history

plot_history(history, "train_loss", "val_loss")
