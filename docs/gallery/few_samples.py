"""
Fine-tune on a hundred images
=============================

Weights that know handwritten digits learn drawn ones from ten images of each;
from a random start the same network needs more.
"""

import torch
from torch import nn

from practicezoo import (
    Accuracy,
    TensorLoader,
    create_model,
    fit,
    freeze,
    seed_everything,
    synthetic_digits,
)
from practicezoo.plotting import plot_histories

train, test = synthetic_digits(100, seed=0), synthetic_digits(500, seed=1)
test_loader = TensorLoader(
    *test.tensors(), batch_size=500, transform=train.normalize
)


def tuned(model):
    seed_everything(0)
    loader = TensorLoader(
        *train.tensors(),
        batch_size=20,
        shuffle=True,
        transform=train.normalize,
    )
    learned = [p for p in model.parameters() if p.requires_grad]
    return fit(
        model,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=torch.optim.AdamW(learned, lr=2e-3),
        epochs=10,
        val_loader=test_loader,
        metrics={"accuracy": Accuracy()},
        progress=False,
    )


seed_everything(0)
last_layer = create_model("mnist_cnn", weights="default")
freeze(last_layer.features)
histories = {
    "random start": tuned(create_model("mnist_cnn")),
    "trained weights": tuned(create_model("mnist_cnn", weights="default")),
    "trained, last layer only": tuned(last_layer),
}
plot_histories(histories, "val_accuracy")

# %%
# The last epoch of each:
for name, history in histories.items():
    print(f"{name:25} {history['val_accuracy'][-1]:.1%}")
