"""Laws of accuracy: right answers divided by answers."""

import re

import pytest
import torch
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st

from practicezoo.training import Accuracy, Metric


def accuracy(outputs, targets, **settings) -> float:
    metric = Accuracy(**settings)
    metric.update(torch.as_tensor(outputs), torch.as_tensor(targets))
    return metric.compute().item()


def test_class_logits():
    assert accuracy([[0.1, 2.0], [3.0, 1.0], [0.0, 5.0]], [1, 1, 1]) == 2 / 3


def test_class_logits_with_a_time_axis():
    # (N, C, T) = (1, 2, 3): classes 1, 0, 1
    assert accuracy([[[0.0, 9.0, 0.0], [1.0, 1.0, 1.0]]], [[1, 0, 0]]) == 2 / 3


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.bool])
def test_two_classes_by_the_sign_of_the_logit(dtype):
    targets = torch.tensor([[1], [0], [1], [0]], dtype=dtype)
    assert accuracy([[2.0], [-1.0], [-3.0], [0.0]], targets) == 3 / 4


def test_ignored_targets_do_not_count():
    assert accuracy([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, -100, 0], ignore_index=-100) == 1 / 2
    assert accuracy([1.0, -1.0, -1.0], [1, 0, -1], ignore_index=-1) == 1.0


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from([(), (4,), (2, 3)]))
def test_equals_torchmetrics_however_the_batches_fall(sizes, shape):
    generator = torch.Generator().manual_seed(len(sizes))
    ours = Accuracy(ignore_index=0)
    theirs = torchmetrics.Accuracy(task="multiclass", num_classes=3, average="micro", ignore_index=0)
    for size in sizes:
        outputs = torch.randn(size, 3, *shape, generator=generator)
        targets = torch.randint(3, (size, *shape), generator=generator)
        targets.view(-1)[0] = 1  # something counts
        ours.update(outputs, targets)
        theirs.update(outputs, targets)
    assert ours.compute().item() == pytest.approx(theirs.compute().item(), abs=1e-7)


def test_value_is_a_float64_scalar():
    metric = Accuracy()
    metric.update(torch.eye(3), torch.tensor([0, 1, 1]))
    value = metric.compute()
    assert (value.dtype, value.shape, value.item()) == (torch.float64, (), 2 / 3)


def test_reset_forgets():
    metric = Accuracy()
    metric.update(torch.eye(2), torch.tensor([1, 0]))
    metric.reset()
    metric.update(torch.eye(2), torch.tensor([0, 1]))
    assert metric.compute() == 1.0


def test_is_a_metric():
    assert isinstance(Accuracy(), Metric)
    assert isinstance(torchmetrics.MeanSquaredError(), Metric)
    assert not isinstance("accuracy", Metric)


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [((4, 3), (5,)), ((4,), (4, 3)), ((4, 3, 2), (4, 3)), ((4, 1, 3), (4,)), ((4, 1), (4,))],
)
def test_shapes_that_do_not_fit(outputs, targets):
    message = (
        "outputs must be logits (N, C, ...) with C > 1 for targets (N, ...), or have the targets' shape; "
        f"got {outputs} and {targets}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        accuracy(torch.zeros(outputs), torch.zeros(targets))


def test_nothing_counted():
    with pytest.raises(ValueError, match="accuracy must have counted at least one target, got none"):
        Accuracy().compute()
    with pytest.raises(ValueError, match="accuracy must have counted at least one target, got none"):
        accuracy([[1.0, 0.0]], [7], ignore_index=7)
