"""Images in worker processes and in ``fit``."""

import multiprocessing
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from practicezoo import CNN, TensorLoader, fit
from practicezoo.data import ImageTensors, synthetic_digits

without_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)
# Python's own, from 3.12 on: torch's workers hold no lock that matters here
ignore_fork_with_threads = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def test_they_can_be_sent_to_a_worker():
    digits = synthetic_digits(5, seed=0)
    copied = pickle.loads(pickle.dumps(digits))  # noqa: S301
    assert isinstance(copied, ImageTensors)
    assert torch.equal(copied.images, digits.images)
    assert copied.normalize == digits.normalize


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=without_fork), pytest.param("spawn", marks=pytest.mark.slow)]
)
@ignore_fork_with_threads
def test_fit_on_a_dataloader_with_workers_is_fit_on_a_tensor_loader(method):
    digits = synthetic_digits(40, seed=0)
    dataset = TensorDataset(digits.normalize(digits.images), digits.targets)
    workers = DataLoader(
        dataset,
        batch_size=16,
        sampler=DistributedSampler(dataset, num_replicas=1, rank=0, seed=3),
        num_workers=2,
        multiprocessing_context=method,
    )
    tensors = TensorLoader(*digits.tensors(), batch_size=16, shuffle=True, seed=3, transform=digits.normalize)
    models, losses = [], []
    for loader in (workers, tensors):
        torch.manual_seed(0)
        models.append(CNN())
        history = fit(
            models[-1],
            loader,
            criterion=nn.CrossEntropyLoss(),
            optimizer=torch.optim.SGD(models[-1].parameters(), lr=0.1),
            epochs=2,
            progress=False,
        )
        losses.append(history["train_loss"])
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]
    assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)


@pytest.mark.slow
def test_a_dataloader_with_spawned_workers_gives_the_same_batches():
    digits = synthetic_digits(50, seed=0)
    workers = DataLoader(
        TensorDataset(*digits.tensors()), batch_size=16, num_workers=2, multiprocessing_context="spawn"
    )
    batches = TensorLoader(*digits.tensors(), batch_size=16)
    for (images, targets), (expected_images, expected_targets) in zip(workers, batches, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(targets, expected_targets)
