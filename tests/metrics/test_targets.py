"""Targets that do not fit their criterion: class indices out of range are named, on every way to a loss."""

import re
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD

from practicezoo.metrics.loss import WeightedLoss
from practicezoo.training import Accuracy, TrainStep, evaluate, evaluation, fit, loss_weight, step
from support.toys import HostReads

META = torch.device("meta")  # stands for a GPU: what leaves the CPU is checked before
CRITERIA = {
    "cross entropy": nn.CrossEntropyLoss(),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
    "class weights": nn.CrossEntropyLoss(weight=torch.arange(10.0)),
    "ignore_index": nn.CrossEntropyLoss(ignore_index=-1),
    "label smoothing": nn.CrossEntropyLoss(label_smoothing=0.1),
    "NLL": nn.NLLLoss(),
    "NLL with class weights": nn.NLLLoss(weight=torch.arange(10.0)),
}
every_criterion = pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)

# targets (the logits have ten classes) and what is said of them
WRONG = {
    "too large": ([0, 1, 2, 12], "targets must lie in [0, 10), got 12 at index 3"),
    "the number of classes": ([0, 10, 2, 12], "targets must lie in [0, 10), got 10 at index 1"),
    "negative": ([-2, 1, 2, 3], "targets must lie in [0, 10), got -2 at index 0"),
    "rank 2": ([[0, 1], [2, 12]], "targets must lie in [0, 10), got 12 at index (1, 1)"),
    "rank 3": ([[[0, 1], [-7, 12]]], "targets must lie in [0, 10), got -7 at index (0, 1, 0)"),
}
every_wrong = pytest.mark.parametrize(("targets", "message"), WRONG.values(), ids=WRONG)


class Logits(nn.Module):
    """Logits ``(N, 10, ...)`` for inputs ``(N, ...)``."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 10))

    def forward(self, inputs):
        return torch.stack([inputs * weight for weight in self.weight], dim=1).log_softmax(dim=1)


def ways_to_a_loss(criterion, targets):
    """Everything that gives a batch to a criterion."""
    batch = torch.ones(targets.shape), targets
    fine = torch.ones(targets.shape), torch.ones_like(targets)
    model = Logits()
    optimizer = SGD(model.parameters(), lr=0.1)
    update = TrainStep(model, optimizer, criterion)
    settings = {"criterion": criterion, "optimizer": optimizer, "epochs": 1}
    return {
        "step": lambda: update([batch]),
        "micro-batches": lambda: update([fine, batch]),
        "fit": lambda: fit(model, [fine, batch], **settings),
        "validation": lambda: fit(model, [fine], val_loader=[fine, batch], **settings),
        "evaluate": lambda: evaluate(model, [fine, batch], criterion=criterion),
    }


@every_criterion
@every_wrong
@pytest.mark.parametrize("way", ways_to_a_loss(nn.CrossEntropyLoss(), torch.zeros(1, dtype=torch.long)))
def test_a_class_index_out_of_range_is_named(criterion, targets, message, way):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$") as caught:
        ways_to_a_loss(criterion, torch.tensor(targets))[way]()
    assert isinstance(caught.value.__cause__, IndexError)  # torch's own


@pytest.mark.parametrize(
    "criterion", [F.cross_entropy, partial(F.cross_entropy, label_smoothing=0.1), F.nll_loss]
)
@every_wrong
def test_functions_as_well(criterion, targets, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ways_to_a_loss(criterion, torch.tensor(targets))["step"]()


def test_a_large_batch_names_the_first():
    targets = torch.ones(100_000, dtype=torch.long)
    targets[[77_777, 99_999]] = torch.tensor([11, 12])
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 10\), got 11 at index 77777"):
        WeightedLoss(nn.CrossEntropyLoss()).part(torch.zeros(100_000, 10), targets, 1)


@every_criterion
@every_wrong
def test_targets_are_checked_before_they_leave_the_cpu(criterion, targets, message):
    targets = torch.tensor(targets)
    outputs = torch.zeros(len(targets), 10, *targets.shape[1:], device=META)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        WeightedLoss(criterion).move_targets(outputs, targets, META)


@pytest.mark.parametrize("measure", ["train", "evaluate"])
def test_a_model_elsewhere_gets_checked_targets(measure, monkeypatch):
    for user in (step, evaluation):  # there is no autocast for the meta device
        monkeypatch.setattr(user, "autocast", lambda *_: nullcontext())
    criterion, model = nn.CrossEntropyLoss(weight=torch.ones(10, device=META)), Logits().to(META)
    update = TrainStep(model, SGD(model.parameters(), lr=0.1), criterion)
    wrong = torch.ones(4), torch.tensor([0, 1, 12, 3])
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 10\), got 12 at index 2"):
        update([wrong]) if measure == "train" else evaluate(model, [wrong], criterion=criterion)


@pytest.mark.parametrize(
    ("criterion", "targets"),
    [
        (nn.CrossEntropyLoss(), torch.arange(10)),
        (nn.CrossEntropyLoss(), torch.arange(10, dtype=torch.uint8)),
        (nn.CrossEntropyLoss(), torch.tensor([-100, 9])),
        (nn.NLLLoss(ignore_index=255), torch.tensor([255, 0])),
        (nn.CrossEntropyLoss(), torch.full((2, 10), 0.1)),  # probabilities
        (nn.MSELoss(), torch.tensor([12, -3])),
        (nn.CrossEntropyLoss(), torch.zeros(0, dtype=torch.long)),
        (nn.CrossEntropyLoss(), [torch.tensor([12])]),
    ],
)
def test_what_is_right_or_no_class_index_moves_as_it_is(criterion, targets):
    moved = WeightedLoss(criterion).move_targets(torch.zeros(len(targets), 10, device=META), targets, META)
    assert (moved[0] if isinstance(moved, list) else moved).device == META


def test_what_is_elsewhere_already_is_not_read():
    targets = torch.zeros(4, dtype=torch.long, device=META)  # has no values to read
    assert (
        WeightedLoss(nn.CrossEntropyLoss()).move_targets(torch.zeros(4, 10, device=META), targets, META)
        is targets
    )


def test_right_targets_cost_no_look_on_the_cpu():
    outputs, targets = torch.zeros(4, 10), torch.arange(4)
    with HostReads() as reads:
        criterion = nn.CrossEntropyLoss()
        loss = WeightedLoss(criterion)
        loss.part(outputs, loss.move_targets(outputs, targets, torch.device("cpu")), 4)
    assert reads.count == 0


def test_other_errors_stay_as_they_are():
    def criterion(outputs, targets):
        return outputs[len(outputs)]

    with pytest.raises(IndexError, match="index 4 is out of bounds") as caught:
        WeightedLoss(criterion).part(torch.zeros(4, 10), torch.full((4,), 12), 1)
    assert caught.value.__cause__ is None


def test_a_class_index_beyond_the_weights_does_not_stop_the_weighing():
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0]), ignore_index=7)
    assert loss_weight(criterion, torch.tensor([0, 1, 7, 2])) == 7
    assert loss_weight(criterion, torch.tensor([0, 12, -5])).isfinite()


@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=torch.ones(10))])
@pytest.mark.parametrize("way", ["step", "micro-batches", "evaluate"])
def test_targets_of_floats_that_are_no_probabilities(criterion, way):
    message = (
        "targets must be class indices (int64) or class probabilities (N, C, ...), "
        "got torch.float32 of shape (4,)"
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        ways_to_a_loss(criterion, torch.tensor([0.0, 1.0, 2.0, 3.0]))[way]()


@pytest.mark.parametrize(
    ("criterion", "outputs", "targets", "message"),
    [
        (nn.CrossEntropyLoss(), (4, 10), torch.zeros(4, dtype=torch.int32), "Long"),
        (nn.CrossEntropyLoss(), (4, 10), torch.zeros(4, 1, dtype=torch.long), "multi-target not supported"),
        (nn.CrossEntropyLoss(), (4, 10), torch.zeros(5, dtype=torch.long), r"batch_size \(4\) .* \(5\)"),
        (nn.BCEWithLogitsLoss(), (4, 1), torch.zeros(4), r"Target size .*4.* must be the same as input size"),
        (nn.MSELoss(), (4, 1), torch.zeros(4), "Using a target size .* different to the input size"),
    ],
)
@pytest.mark.filterwarnings("error")  # also where the run as a whole only shows warnings
def test_what_torch_says_clearly_is_left_to_torch(criterion, outputs, targets, message):
    with pytest.raises((RuntimeError, ValueError, UserWarning), match=message):
        WeightedLoss(criterion).part(torch.zeros(outputs), targets, 1)


def test_accuracy_counts_a_target_that_is_no_class_as_wrong():
    batch = torch.eye(10)[:4], torch.tensor([0, 1, 12, -100])
    assert evaluate(nn.Identity(), [batch], metrics={"accuracy": Accuracy()}) == {"accuracy": 0.5}
    ignoring = {"accuracy": Accuracy(ignore_index=-100)}
    assert evaluate(nn.Identity(), [batch], metrics=ignoring) == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.gpu
def test_a_wrong_target_leaves_the_gpu_alive(cuda):
    model = Logits().to(cuda)
    for weight in (None, torch.ones(10, device=cuda)):
        criterion = nn.CrossEntropyLoss(weight=weight)
        update = TrainStep(model, SGD(model.parameters(), lr=0.1), criterion)
        with pytest.raises(ValueError, match=r"targets must lie in \[0, 10\), got 12 at index 2"):
            update([(torch.ones(4), torch.tensor([0, 1, 12, 3]))])
        assert update([(torch.ones(4), torch.tensor([0, 1, 2, 3]))]).loss.isfinite()
        torch.cuda.synchronize()  # no assertion is on its way
