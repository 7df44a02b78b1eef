"""Laws of the confusion matrix."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from practicezoo.training import Accuracy, confusion_matrix


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_counts_each_pair(pairs):
    targets, predicted = (torch.tensor(column) for column in zip(*pairs, strict=True))
    expected = [[pairs.count((true, taken)) for taken in range(5)] for true in range(5)]
    assert confusion_matrix(predicted, targets, num_classes=5).tolist() == expected
    size = int(max(predicted.max(), targets.max())) + 1
    assert confusion_matrix(predicted, targets).tolist() == [row[:size] for row in expected[:size]]


@pytest.mark.parametrize(
    ("shape", "target_shape", "num_classes"),
    [((50, 4), (50,), 4), ((50, 4, 3), (50, 3), 4), ((50,), (50,), 2), ((50, 1), (50, 1), 2)],
)
def test_logits(shape, target_shape, num_classes):
    outputs, targets = torch.randn(shape), torch.randint(num_classes, target_shape)
    counts = confusion_matrix(outputs, targets)
    assert counts.shape == (num_classes, num_classes)
    assert counts.sum(dim=1).tolist() == torch.bincount(targets.flatten(), minlength=num_classes).tolist()
    accuracy = Accuracy()
    accuracy.update(outputs, targets)
    assert counts.diagonal().sum().double() / counts.sum() == accuracy.compute()


def test_targets_of_a_binary_loss_are_floats():
    outputs, targets = torch.tensor([[1.0], [-1.0], [2.0]]), torch.tensor([[1.0], [1.0], [0.0]])
    assert confusion_matrix(outputs, targets).tolist() == [[0, 1], [1, 1]]


def test_is_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional")
    outputs, targets = torch.randn(100, 6), torch.randint(6, (100,))
    expected = functional.confusion_matrix(outputs, targets, task="multiclass", num_classes=6)
    assert torch.equal(confusion_matrix(outputs, targets), expected)


@pytest.mark.parametrize(
    ("outputs", "targets", "settings", "message"),
    [
        (
            torch.zeros(4, 3),
            torch.eye(3)[[0, 1, 2, 1]],
            {},
            "has two readings",
        ),
        (torch.zeros(3, 1), torch.zeros(3), {}, r"outputs must be logits .* got \(3, 1\) and \(3,\)"),
        (torch.zeros(3, 4), torch.zeros(2), {}, r"outputs must be logits .* got \(3, 4\) and \(2,\)"),
        (
            torch.zeros(0, 4),
            torch.zeros(0, dtype=torch.long),
            {},
            "targets must hold at least one class index, got none",
        ),
        (
            torch.zeros(2, 4),
            torch.tensor([0, 4]),
            {},
            r"targets must be classes in \[0, 4\), got 4 at index 1",
        ),
        (torch.zeros(2, 4), torch.tensor([-100, 0]), {}, r"targets must be .*, got -100 at index 0"),
        (
            torch.tensor([7, 1]),
            torch.tensor([0, 1]),
            {"num_classes": 2},
            "outputs must be .*, got 7 at index 0",
        ),
        (
            torch.zeros(2, 4),
            torch.tensor([0, 1]),
            {"num_classes": 3},
            "num_classes must be 4, as there are logits, got 3",
        ),
    ],
)
def test_shapes_classes_and_targets_that_do_not_fit_are_refused(outputs, targets, settings, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(outputs, targets, **settings)
