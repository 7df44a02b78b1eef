"""The loops of other frameworks, each out of the box and in its best setting.

Each function trains a new network from start to end and returns it with the number of updates that its
optimizer counted. "Best" draws and logs nothing, saves nothing, and reads whole batches with the loader that
the framework takes. Packages are imported where they are used: a missing one leaves out its loops only.
"""

import os
import tempfile
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

from benchmarks.peer_training import (
    BATCH_SIZE,
    LEARNING_RATE,
    SEED,
    SIZES,
    Loop,
    Trained,
    Training,
    count_updates,
    make_model,
)

__all__ = ["PACKAGES", "PEER_LOOPS"]

# What the loops of a framework import, and the name under which it is installed.
PACKAGES = {
    "Lightning": ("lightning", "lightning"),
    "skorch": ("skorch", "skorch"),
    "ignite": ("ignite", "pytorch-ignite"),
    "accelerate": ("accelerate", "accelerate"),
    "fastai": ("fastai", "fastai"),
    "keras": ("keras", "keras"),
}


def lightning_loop(training: Training, *, best: bool) -> Trained:
    """Train with Lightning; its best is barebones, its own setting for measuring overhead."""
    import lightning

    class Module(lightning.LightningModule):  # type: ignore[misc]  # it has no types here
        def __init__(self) -> None:
            super().__init__()
            self.model = make_model()
            self.criterion = nn.CrossEntropyLoss()

        def training_step(self, batch: Any, _index: int) -> Tensor:
            inputs, targets = batch
            return self.criterion(self.model(inputs), targets)

        def configure_optimizers(self) -> Optimizer:
            return Adam(self.parameters(), lr=LEARNING_RATE)

    module = Module()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"barebones": True} if best else {"default_root_dir": folder}
        trainer = lightning.Trainer(
            max_epochs=training.epochs,
            accelerator="gpu" if training.device == "cuda" else "cpu",
            devices=1,
            **settings,
        )
        trainer.fit(module, _loader(training, best=best))
    return Trained(module.model.to(training.device), count_updates(trainer.optimizers[0]))


def skorch_loop(training: Training, *, best: bool) -> Trained:
    """Train with skorch on all samples; its best has no callbacks."""
    from skorch import NeuralNetClassifier

    out_of_the_box = {"iterator_train__shuffle": True}
    quiet = {
        "callbacks": "disable",
        "verbose": 0,
        "iterator_train__batch_size": None,
        "iterator_train__sampler": training.batch_sampler(),
    }
    net = NeuralNetClassifier(
        make_model(),
        criterion=nn.CrossEntropyLoss,
        optimizer=Adam,
        lr=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        max_epochs=training.epochs,
        train_split=None,
        device=training.device,
        **(quiet if best else out_of_the_box),
    )
    net.fit(training.inputs, training.targets)
    return Trained(net.module_, count_updates(net.optimizer_))


def ignite_loop(training: Training, *, best: bool) -> Trained:
    """Train with ignite's supervised trainer; out of the box it reads the loss in each update."""
    from ignite.engine import create_supervised_trainer

    model, optimizer = training.model_and_optimizer()
    settings = {"output_transform": lambda *_: None} if best else {}
    trainer = create_supervised_trainer(
        model, optimizer, nn.CrossEntropyLoss(), device=training.device, **settings
    )
    trainer.run(_loader(training, best=best), max_epochs=training.epochs)
    return Trained(model, count_updates(optimizer))


def accelerate_loop(training: Training, *, best: bool) -> Trained:
    """The textbook's loop with accelerate's parts; its loader fails on a sampler of batches."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=training.device == "cpu")
    model, optimizer = training.model_and_optimizer()
    criterion = nn.CrossEntropyLoss()
    model, optimizer = accelerator.prepare(model, optimizer)
    loader = _loader(training, best=best)
    if not best:
        loader = accelerator.prepare(loader)
    for _ in range(training.epochs):
        model.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
    return Trained(model, count_updates(optimizer))


def fastai_loop(training: Training, *, best: bool) -> Trained:
    """Train with fastai's learner, without the pass over validation data; its best takes torch's Adam."""
    from fastai.callback.core import Callback, CancelValidException
    from fastai.callback.progress import ProgressCallback  # and it becomes a default
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader as FastaiLoader
    from fastai.learner import Learner, Recorder
    from fastai.optimizer import OptimWrapper

    class TrainOnly(Callback):  # type: ignore[misc]  # it has no types
        def before_validate(self) -> None:
            raise CancelValidException

    loader = _loader(training, best=True)
    if not best:
        loader = FastaiLoader(training.data_loader().dataset, bs=BATCH_SIZE, shuffle=True)
    learner = Learner(
        DataLoaders(loader, loader),
        make_model().to(training.device),
        loss_func=nn.CrossEntropyLoss(),
        cbs=TrainOnly(),
        **({"opt_func": partial(OptimWrapper, opt=Adam)} if best else {}),
    )
    if best:
        learner.remove_cbs([ProgressCallback, Recorder])
    learner.fit(training.epochs, lr=LEARNING_RATE)
    state = next(iter(learner.opt.state.values()))
    return Trained(learner.model, count_updates(learner.opt.opt) if best else int(state["step"]))


def keras_loop(training: Training, *, best: bool) -> Trained:
    """Train with keras over torch, from arrays in memory."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.Input(SIZES[:1]),
            keras.layers.Dense(SIZES[1], activation="relu"),
            keras.layers.Dense(SIZES[2]),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    inputs, targets = (tensor.cpu().numpy() for tensor in (training.inputs, training.targets))
    model.fit(inputs, targets, batch_size=BATCH_SIZE, epochs=training.epochs, verbose=0 if best else "auto")
    return Trained(model, int(model.optimizer.iterations))


def _loader(training: Training, *, best: bool) -> DataLoader[Any]:
    return training.batched_data_loader() if best else training.data_loader()


FRAMEWORK_LOOPS = {
    "Lightning": lightning_loop,
    "skorch": skorch_loop,
    "ignite": ignite_loop,
    "accelerate": accelerate_loop,
    "fastai": fastai_loop,
    "keras": keras_loop,
}
PEER_LOOPS: dict[str, dict[str, Loop]] = {
    framework: {framework: partial(loop, best=False), f"{framework}, best": partial(loop, best=True)}
    for framework, loop in FRAMEWORK_LOOPS.items()
}
