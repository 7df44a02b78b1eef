"""One rule for accuracy and confusion matrices: decided by shape and type, or refused."""

import pytest
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy, multilabel_accuracy

from practicezoo import Accuracy, TensorLoader, evaluate, fit
from practicezoo.metrics import confusion_matrix

LOGITS = torch.tensor([[2.0, 1.0, 0.5], [0.1, 3.0, 0.2], [1.0, 2.0, 5.0]])


def accuracy(outputs, targets, **settings):
    metric = Accuracy(**settings)
    metric.update(outputs, targets)
    return metric.compute().item()


def test_targets_of_the_scores_shape_have_two_readings():
    message = r"share the shape \(3, 3\), which has two readings: .*argmax.*threshold"
    with pytest.raises(ValueError, match=message):
        evaluate(nn.Identity(), [(LOGITS, torch.eye(3))], metrics={"a": Accuracy()})
    for targets in (torch.eye(3), torch.eye(3) * 0.85 + 0.05):
        with pytest.raises(ValueError, match="two readings"):
            confusion_matrix(LOGITS, targets)
    with pytest.raises(ValueError, match="two readings"):
        confusion_matrix(torch.tensor([[5.0, 4.0], [4.0, 5.0]]), torch.eye(2))


def test_several_labels_need_a_threshold():
    targets = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    expected = multilabel_accuracy(LOGITS / 10, targets, num_labels=3, threshold=0.15, average="micro")
    assert accuracy(LOGITS / 10, targets, threshold=0.15) == pytest.approx(expected.item())


def test_probabilities_of_bce_are_not_taken_for_logits():
    outputs, targets = torch.tensor([0.1, 0.2, 0.9, 0.3]), torch.tensor([0.0, 0.0, 1.0, 0.0])
    message = r"metrics\['a'\] reads logits, and BCELoss takes probabilities: give Accuracy\(threshold=0.5\)"
    with pytest.raises(ValueError, match=message):
        evaluate(nn.Identity(), [(outputs, targets)], criterion=nn.BCELoss(), metrics={"a": Accuracy()})
    model = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    loader = TensorLoader(torch.rand(4, 1), targets[:, None], batch_size=2)
    with pytest.raises(ValueError, match=message):
        fit(
            model,
            loader,
            criterion=nn.BCELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=1,
            val_loader=loader,
            metrics={"a": Accuracy()},
        )
    metrics = {"a": Accuracy(threshold=0.5)}
    results = evaluate(nn.Identity(), [(outputs, targets)], criterion=nn.BCELoss(), metrics=metrics)
    assert results["a"] == 1.0


def test_class_indices_are_no_scores():
    ids = torch.tensor([2, 3, 0, 2])
    with pytest.raises(TypeError, match=r"outputs must be floating-point scores, got torch\.int64: give"):
        accuracy(ids, ids)


def test_class_indices_are_integers():
    with pytest.raises(TypeError, match=r"targets must be class indices \(integers\), got torch\.float32"):
        accuracy(LOGITS, torch.tensor([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("targets", [[0, 1, 2], [0.0, 0.5, 1.0], [0, 1, -100]])
def test_binary_targets_that_are_neither_0_nor_1_are_refused_at_the_end(targets):
    with pytest.raises(ValueError, match="binary targets must be 0 or 1, got another value in 1 places"):
        accuracy(torch.tensor([-1.0, 1.0, 1.0]), torch.tensor(targets))


def test_an_ignored_binary_target_is_no_mistake():
    assert accuracy(torch.tensor([-1.0, 1.0, 1.0]), torch.tensor([0, 1, -100]), ignore_index=-100) == 1.0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_equals_torchmetrics(k):
    outputs, targets = torch.randn(50, 5), torch.randint(5, (50,))
    expected = multiclass_accuracy(outputs, targets, num_classes=5, top_k=k, average="micro")
    assert accuracy(outputs, targets, top_k=k) == pytest.approx(expected.item())


def test_top_k_over_time_steps():
    outputs, targets = torch.randn(4, 5, 6), torch.randint(5, (4, 6))
    flat = accuracy(outputs.movedim(1, 2).reshape(24, 5), targets.flatten(), top_k=2)
    assert accuracy(outputs, targets, top_k=2) == flat


@pytest.mark.parametrize(
    ("settings", "outputs", "targets", "message"),
    [
        ({"top_k": 0}, LOGITS, torch.arange(3), "top_k must be at least 1, got 0"),
        ({"top_k": 4}, LOGITS, torch.arange(3), "top_k must be at most the 3 classes, got 4"),
        ({"top_k": 2}, LOGITS[:, 0], torch.ones(3), "top_k must be 1 where each decision is between two"),
        ({"threshold": 0.5}, LOGITS, torch.arange(3), "threshold must be None for scores of several classes"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, outputs, targets, message):
    with pytest.raises(ValueError, match=message):
        accuracy(outputs, targets, **settings)


def test_what_is_no_tensor_is_named():
    with pytest.raises(TypeError, match="outputs must be a tensor, got tuple"):
        accuracy((LOGITS,), torch.arange(3))


def test_fractions_are_no_classes():
    with pytest.raises(ValueError, match="targets must be class indices, got fractions"):
        confusion_matrix(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.0]))
