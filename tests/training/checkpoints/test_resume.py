"""Laws of resuming: a run that was interrupted ends as one that was not, to the bit."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader

from practicezoo.training import Callback, Checkpointer, fit, seed_everything
from support.resuming import (
    BATCH_SIZE,
    DATASET,
    EPOCHS,
    LOADERS,
    NUM_ITEMS,
    Interrupt,
    InterruptionError,
    Noisy,
    digest,
    same,
    train,
)
from support.slow import slow_unless
from support.toys import mlp


def check_interruptions(loader, accumulate, updates, tmp_path):
    whole = train(tmp_path / "whole", loader=loader, accumulate=accumulate)
    for update in updates:
        folder = tmp_path / str(update)
        with pytest.raises(InterruptionError):
            train(folder, Interrupt(update), loader=loader, accumulate=accumulate)
        assert same(train(folder, loader=loader, accumulate=accumulate), whole)


@pytest.mark.parametrize("accumulate", slow_unless([1, 3], {1}))
@pytest.mark.parametrize("loader", LOADERS)
def test_interrupted_after_an_update_and_resumed(loader, accumulate, tmp_path):
    check_interruptions(loader, accumulate, [1, EPOCHS * -(-7 // accumulate) - 2], tmp_path)


def test_interrupted_between_updates_of_several_batches(tmp_path):
    check_interruptions("tensors", 3, [2, 7], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_interrupted_after_any_update_and_resumed(accumulate, tmp_path):
    check_interruptions("tensors", accumulate, range(1, EPOCHS * -(-7 // accumulate) + 1), tmp_path)


def test_interrupted_again_and_again(tmp_path):
    whole = train(tmp_path / "whole")
    for update in range(3, 28, 3):
        with pytest.raises(InterruptionError):
            train(tmp_path / "parts", Interrupt(update))
    assert same(train(tmp_path / "parts"), whole)


@pytest.mark.parametrize("every", slow_unless([1, 3, 7, "epoch"], {3, "epoch"}))
@pytest.mark.parametrize("interrupt", [Interrupt(6), Interrupt(7), Interrupt(13), Interrupt(None, 1)])
def test_whatever_the_interval(every, interrupt, tmp_path):
    def callbacks(name):
        return [Checkpointer(tmp_path / name, every=every), *([interrupt] if name == "parts" else [])]

    whole = train(tmp_path / "whole", callbacks=callbacks("whole"))
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", callbacks=callbacks("parts"))
    resumed = train(tmp_path / "parts", callbacks=[Checkpointer(tmp_path / "parts", every=every)])
    assert same(resumed, whole)


@pytest.mark.filterwarnings("ignore:.* multi-threaded:DeprecationWarning")  # a DataLoader's own, as it forks
def test_worker_processes_draw_the_same_numbers_again(tmp_path, monkeypatch):
    monkeypatch.setitem(
        LOADERS, "workers", lambda: DataLoader(Augmented(), BATCH_SIZE, shuffle=True, num_workers=2)
    )
    whole = train(tmp_path / "whole", loader="workers")
    with pytest.raises(InterruptionError):
        train(tmp_path / "parts", Interrupt(11), loader="workers")
    assert same(train(tmp_path / "parts", loader="workers"), whole)


class Augmented(torch.utils.data.Dataset):
    """Samples with noise."""

    def __len__(self):
        return NUM_ITEMS

    def __getitem__(self, index):
        inputs, target = DATASET[index]
        return inputs + 0.1 * torch.randn(5), target


SCHEDULES = {
    "cosine": lambda optimizer: schedules.CosineAnnealingLR(optimizer, 20),
    "lambda": lambda optimizer: schedules.LambdaLR(optimizer, lambda update: 0.9**update),
    "milestones": lambda optimizer: schedules.MultiStepLR(optimizer, [3, 3, 12]),
    "plateau": lambda optimizer: schedules.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
    "restarts": lambda optimizer: schedules.CosineAnnealingWarmRestarts(optimizer, 5),
    "cyclic": lambda optimizer: schedules.CyclicLR(optimizer, 0.01, 0.1, 3, cycle_momentum=False),
    "sequence": lambda optimizer: schedules.SequentialLR(
        optimizer,
        [schedules.LinearLR(optimizer, total_iters=4), schedules.ExponentialLR(optimizer, 0.95)],
        milestones=[4],
    ),
    "chain": lambda optimizer: schedules.ChainedScheduler(
        [schedules.ConstantLR(optimizer, total_iters=4), schedules.ExponentialLR(optimizer, 0.95)]
    ),
}


@pytest.mark.parametrize("interval", ["update", "epoch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # torch's own, inside SequentialLR
def test_every_schedule_goes_on_where_it_was(schedule, interval, tmp_path):
    def run(folder, *interrupts):
        seed_everything(5)
        model = mlp()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = fit(
            model,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=EPOCHS,
            lr_scheduler=SCHEDULES[schedule](optimizer),
            lr_scheduler_interval=interval,
            callbacks=[Checkpointer(folder, every=3), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict()), history["learning_rate"]

    whole = run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", Interrupt(17))
    assert run(tmp_path / "parts") == whole
    assert len(set(whole[1])) > 1 or schedule == "restarts"


def test_several_optimizers_schedules_and_a_criterion_with_weights_of_its_own(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, outputs, targets):
            return nn.functional.cross_entropy(outputs * self.scale, targets)

    def run(folder, *interrupts):
        seed_everything(5)
        model, criterion = mlp(), Scaled()
        optimizers = [
            SGD(model[0].parameters(), lr=0.1, momentum=0.9),
            Adam([*model[1:].parameters(), *criterion.parameters()]),
        ]
        fit(
            model,
            LOADERS["tensors"](),
            criterion=criterion,
            optimizer=optimizers,
            epochs=EPOCHS,
            lr_scheduler=[schedules.ExponentialLR(each, 0.9) for each in optimizers],
            callbacks=[Checkpointer(folder, every=3), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict()), criterion.scale.item()

    whole = run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", Interrupt(17))
    assert run(tmp_path / "parts") == whole
    assert whole[1] != 1


def unwrapped(model):
    return model


@pytest.mark.parametrize("before", [nn.DataParallel, unwrapped])
@pytest.mark.parametrize("after", [nn.DataParallel, unwrapped])
def test_a_model_in_dataparallel_or_not_is_resumed_in_it_or_not(before, after, tmp_path):
    def run(folder, wrap, *interrupts):
        seed_everything(5)
        model = Noisy()
        wrapped = wrap(model)
        optimizer = AdamW(wrapped.parameters(), lr=0.05)
        fit(
            wrapped,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=2,
            callbacks=[Checkpointer(folder, every=2), *interrupts],
            resume_from=folder,
        )
        return digest(model.state_dict())

    whole = run(tmp_path / "whole", unwrapped)
    with pytest.raises(InterruptionError):
        run(tmp_path / "parts", before, Interrupt(9))
    assert run(tmp_path / "parts", after) == whole


def test_a_finished_run_is_not_trained_again(tmp_path):
    whole = train(tmp_path)
    updates = []

    class Count(Callback):
        def on_step_end(self, run, result):
            updates.append(run.num_updates)

    assert same(train(tmp_path, Count()), whole)
    assert updates == []


def test_a_finished_run_is_extended(tmp_path):
    train(tmp_path, epochs=2, lr_scheduler=None)
    longer = train(tmp_path, lr_scheduler=None)
    assert same(longer, train(tmp_path / "whole", lr_scheduler=None))


def test_a_run_that_was_stopped_in_an_epoch_finishes_the_epoch(tmp_path):
    class Stop(Callback):
        def on_step_end(self, run, result):
            run.should_stop = run.should_stop or run.num_updates == 9

    whole = train(tmp_path / "whole", callbacks=[Stop()], resume_from=None)
    with pytest.raises(InterruptionError):
        train(
            tmp_path / "parts", callbacks=[Stop(), Checkpointer(tmp_path / "parts", every=1), Interrupt(11)]
        )
    resumed = train(tmp_path / "parts", callbacks=[Stop(), Checkpointer(tmp_path / "parts")])
    assert resumed["weights"] == whole["weights"]
    assert len(resumed["history"]["train_loss"]) == 2
