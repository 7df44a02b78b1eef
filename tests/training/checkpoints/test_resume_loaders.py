"""Whatever loaders draw their order from, an interrupted run goes on with the batches that were to come."""

import contextlib
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler, TensorDataset

from practicezoo import Callback, Checkpointer, TensorLoader, fit
from practicezoo.runtime.lost import samples_in_workers
from support.slow import slow_unless

NUM_ITEMS, BATCH_SIZE, EPOCHS = 12, 4, 4
VALUES = torch.arange(float(NUM_ITEMS))[:, None]
SAMPLES = TensorDataset(VALUES, VALUES)
MOMENTS = [2, 3, 5, 7, 10]  # updates of which an epoch has three: at its end, in the second one, ...

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* multi-threaded:DeprecationWarning",  # a DataLoader's own, as it forks
)


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


class Interrupt(Callback):
    def __init__(self, update):
        self.update = update

    def on_step_end(self, run, result):
        if run.num_updates == self.update:
            raise InterruptionError


class Seen(nn.MSELoss):
    """Notes the samples of each training batch."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, outputs, targets):
        if outputs.requires_grad:
            self.batches.append([round(float(value), 5) for value in targets])
        return super().forward(outputs, targets)


def train(folder, make_loaders, *, interrupt=None, every=1, epochs=EPOCHS, callbacks=()):
    """The batches that were trained on, and the weights; every call resumes what the folder holds."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 1))
    criterion = Seen()
    train_loader, *val_loader = make_loaders()
    with contextlib.suppress(InterruptionError):
        fit(
            model,
            train_loader,
            criterion=criterion,
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3),
            epochs=epochs,
            val_loader=val_loader[0] if val_loader else None,
            callbacks=[Checkpointer(folder, every=every), *callbacks, Interrupt(interrupt)],
            resume_from=folder,
            progress=False,
        )
    return criterion.batches, [parameter.tolist() for parameter in model.parameters()]


class Shuffled(Sampler):
    """Draws its order from a generator of its own."""

    def __init__(self, rng):
        self.rng = rng

    def __len__(self):
        return NUM_ITEMS

    def __iter__(self):
        order = list(range(NUM_ITEMS))
        if isinstance(self.rng, torch.Generator):
            return iter(torch.randperm(NUM_ITEMS, generator=self.rng).tolist())
        self.rng.shuffle(order)
        return iter(order)


class Counting(Sampler):
    """Has a state that only it knows, and tells it."""

    def __init__(self):
        self.state = {"epochs": np.int64(0)}

    def __len__(self):
        return NUM_ITEMS

    def __iter__(self):
        self.state["epochs"] += 1
        return iter(np.random.default_rng(self.state["epochs"]).permutation(NUM_ITEMS).tolist())

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = dict(state)


class Noisy(Dataset):
    """Adds noise from a generator of its own."""

    def __init__(self, rng):
        self.rng = rng

    def __len__(self):
        return NUM_ITEMS

    def __getitem__(self, index):
        value = VALUES[index] + self.rng.random()
        return value, value


class Shift:
    """A transform, or a collate function, that draws its shift from a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(2)

    def __call__(self, batch):
        if isinstance(batch, torch.Tensor):
            return batch + float(self.rng.random())
        return tuple(torch.stack(part) + float(self.rng.random()) for part in zip(*batch, strict=True))


class Wrapped:
    """A loader around another one, which is reached by no known name."""

    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __iter__(self):
        return iter(self.inner)


def persistent(samples=SAMPLES, **settings):
    return DataLoader(
        samples, BATCH_SIZE, **{"shuffle": True, "num_workers": 1, "persistent_workers": True} | settings
    )


LOADERS = {
    "NumPy sampler": lambda: [DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(np.random.default_rng(0)))],
    "RandomState sampler": lambda: [
        DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(np.random.RandomState(0)))
    ],
    "Philox sampler": lambda: [
        DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(np.random.Generator(np.random.Philox(0))))
    ],
    "Python sampler": lambda: [DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(random.Random(0)))],  # noqa: S311
    "torch sampler": lambda: [
        DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(torch.Generator().manual_seed(0)))
    ],
    "sampler with a state": lambda: [DataLoader(SAMPLES, BATCH_SIZE, sampler=Counting())],
    "NumPy data set": lambda: [DataLoader(Noisy(np.random.default_rng(1)), BATCH_SIZE, shuffle=True)],
    "Python data set": lambda: [DataLoader(Noisy(random.Random(1)), BATCH_SIZE, shuffle=True)],  # noqa: S311
    "collate function": lambda: [DataLoader(SAMPLES, BATCH_SIZE, shuffle=True, collate_fn=Shift())],
    "list of transforms": lambda: [
        TensorLoader(VALUES, VALUES, batch_size=BATCH_SIZE, shuffle=True, transform=Chain([Shift(), Shift()]))
    ],
    "loader around a loader": lambda: [
        Wrapped(DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(np.random.default_rng(0))))
    ],
    "shuffled validation": lambda: [
        DataLoader(SAMPLES, BATCH_SIZE, shuffle=True),
        DataLoader(SAMPLES, BATCH_SIZE, sampler=Shuffled(np.random.default_rng(0))),
    ],
}


class Chain:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, inputs):
        for transform in self.transforms:
            inputs = transform(inputs)
        return inputs


@pytest.mark.parametrize("interrupt", slow_unless(MOMENTS, {3, 5}))
@pytest.mark.parametrize("loaders", LOADERS)
def test_generators_and_states_of_samplers_and_data_sets_are_put_back(loaders, interrupt, tmp_path):
    whole, weights = train(tmp_path / "whole", LOADERS[loaders])
    before, _ = train(tmp_path / "parts", LOADERS[loaders], interrupt=interrupt)
    after, resumed = train(tmp_path / "parts", LOADERS[loaders])
    assert before[: interrupt - 1] + after == whole
    assert resumed == weights


@pytest.mark.parametrize("interrupt", slow_unless(MOMENTS, {3, 5}))
@pytest.mark.parametrize("shared", [False, True])
def test_generators_and_states_of_the_validation_loader_are_put_back(shared, interrupt, tmp_path):
    class Losses(Callback):
        def on_run_end(self, run):
            self.values = run.history["val_loss"]

    def loaders():
        noisy = Noisy(np.random.default_rng(1))
        train_loader = DataLoader(noisy if shared else SAMPLES, BATCH_SIZE, shuffle=True)
        return [train_loader, DataLoader(noisy, BATCH_SIZE, sampler=Counting())]

    def losses(folder):
        losses = Losses()
        train(folder, loaders, callbacks=[losses])
        return losses.values

    whole = losses(tmp_path / "whole")
    train(tmp_path / "parts", loaders, interrupt=interrupt)
    assert losses(tmp_path / "parts") == whole


class OwnDropout(nn.Module):
    """Samples what it drops from a generator of its own, a module or a criterion."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(4)

    def forward(self, inputs, targets=None):
        kept = torch.rand(inputs.shape, generator=self.generator) > 0.5
        return inputs * kept if targets is None else ((inputs - targets) * kept).square().mean()


@pytest.mark.parametrize("interrupt", slow_unless(MOMENTS, {3, 5}))
def test_generators_of_the_model_and_the_criterion_are_put_back(interrupt, tmp_path):
    def weights(folder, *callbacks):
        torch.manual_seed(0)
        model = nn.Sequential(OwnDropout(), nn.Linear(1, 1))
        fit(
            model,
            DataLoader(SAMPLES, BATCH_SIZE, shuffle=True),
            criterion=OwnDropout(),
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3),
            epochs=EPOCHS,
            callbacks=[Checkpointer(folder, every=2), *callbacks],
            resume_from=folder,
        )
        return [parameter.tolist() for parameter in model.parameters()]

    whole = weights(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        weights(tmp_path / "parts", Interrupt(interrupt))
    assert weights(tmp_path / "parts") == whole


WORKERS = {
    "train": lambda: [persistent()],
    "generator": lambda: [persistent(generator=torch.Generator().manual_seed(3))],
    "two workers": lambda: [persistent(num_workers=2, prefetch_factor=1)],
    "sampler": lambda: [persistent(shuffle=False, sampler=Shuffled(np.random.default_rng(0)))],
    "replacement": lambda: [persistent(shuffle=False, sampler=RandomSampler(SAMPLES, replacement=True))],
    "validation": lambda: [
        TensorLoader(VALUES, VALUES, batch_size=BATCH_SIZE, shuffle=True),
        persistent(shuffle=False),
    ],
    "both": lambda: [persistent(), persistent()],
    "the same": lambda: [persistent()] * 2,
    "around": lambda: [Wrapped(persistent())],
}


@pytest.mark.parametrize("interrupt", slow_unless(MOMENTS, {5}))
@pytest.mark.parametrize("loaders", WORKERS)
def test_persistent_workers_resume_exactly(loaders, interrupt, tmp_path):
    whole, weights = train(tmp_path / "whole", WORKERS[loaders])
    before, _ = train(tmp_path / "parts", WORKERS[loaders], interrupt=interrupt)
    after, resumed = train(tmp_path / "parts", WORKERS[loaders])
    assert before[: interrupt - 1] + after == whole
    assert resumed == weights


class Drawn(Dataset):
    """Noise from torch's own generator, a worker's or the process's."""

    def __len__(self):
        return NUM_ITEMS

    def __getitem__(self, index):
        value = VALUES[index] + torch.rand(1)
        return value, value


LOST = {
    "global": lambda: [persistent(Drawn())],
    "own": lambda: [persistent(Noisy(np.random.default_rng(0)))],
    "collate": lambda: [persistent(collate_fn=Shift())],
    "validation": lambda: [
        TensorLoader(VALUES, VALUES, batch_size=BATCH_SIZE),
        persistent(Drawn(), shuffle=False),
    ],
}


class TestWhatCannotBePutBackIsSaid:
    @pytest.mark.parametrize("loaders", LOST)
    def test_random_numbers_of_persistent_workers(self, loaders, tmp_path):
        train(tmp_path, LOST[loaders], interrupt=5)
        name = "val_loader" if loaders == "validation" else "train_loader"
        message = (
            f"random numbers that the persistent workers of {name} have sampled in earlier epochs cannot be "
            "put back, so its next samples are other ones than without the interruption: use persistent_"
        )
        with pytest.warns(UserWarning, match=f"^{message}") as caught:
            train(tmp_path, LOST[loaders], interrupt=7)
        assert len(caught) == 1

    @pytest.mark.parametrize("loaders", LOST)
    def test_not_in_the_first_epoch_which_is_exact(self, loaders, tmp_path):
        train(tmp_path, LOST[loaders], interrupt=3)
        train(tmp_path, LOST[loaders], interrupt=5)

    @pytest.mark.parametrize("loaders", [*WORKERS])
    def test_not_of_workers_that_sample_none(self, loaders, tmp_path):
        train(tmp_path, WORKERS[loaders], interrupt=5)
        train(tmp_path, WORKERS[loaders], interrupt=7)

    @pytest.mark.parametrize(
        "samples", [Dataset(), range(0), {"a": 1}], ids=["no index", "empty", "other keys"]
    )
    def test_a_data_set_that_cannot_be_tried_is_passed_over(self, samples):
        assert not samples_in_workers(persistent(samples, shuffle=False))

    def test_trying_a_sample_changes_nothing(self):
        loader = persistent(Noisy(np.random.default_rng(0)))

        rng = loader.dataset.rng

        def states():
            return random.getstate(), torch.get_rng_state().tolist(), str(rng.bit_generator.state)

        before = states()
        assert samples_in_workers(loader)
        assert states() == before

    @pytest.mark.parametrize("interrupt", [2, 5])
    def test_samplers_without_a_state(self, interrupt, tmp_path):
        class Dice(Counting):
            def __init__(self):
                super().__init__()
                self.dice = random.SystemRandom()

        def loaders():
            return [DataLoader(SAMPLES, BATCH_SIZE, sampler=Dice())]

        train(tmp_path, loaders, interrupt=interrupt)
        message = r"numbers that Dice has sampled by random\.SystemRandom cannot be put back: use random\.R"
        with pytest.warns(UserWarning, match=message) as caught:
            train(tmp_path, loaders, interrupt=7)
        assert len(caught) == 1


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("name", ["train_loader", "val_loader"])
def test_persistent_workers_must_be_as_before(name, before, tmp_path):
    def loaders(persistent_workers):
        loader = persistent(shuffle=False, persistent_workers=persistent_workers)
        plain = TensorLoader(VALUES, VALUES, batch_size=BATCH_SIZE)
        return [loader, plain] if name == "train_loader" else [plain, loader]

    train(tmp_path, lambda: loaders(before), interrupt=2)
    message = (
        f"cannot resume from .*: {name} must have persistent_workers={before} as before, got {not before}"
    )
    with pytest.raises(ValueError, match=message):
        train(tmp_path, lambda: loaders(not before))


def test_a_state_that_no_checkpoint_holds_is_refused(tmp_path):
    class Opaque(Counting):
        def state_dict(self):
            return {"lock": object()}

    with pytest.raises(
        TypeError, match=r"\['parts'\]\[0\]\['lock'\] must be a tensor, number or string, got obj"
    ):
        train(tmp_path, lambda: [DataLoader(SAMPLES, BATCH_SIZE, sampler=Opaque())])
