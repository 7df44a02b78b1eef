"""A criterion of the user's is called as it is; what counts nothing adds nothing."""

import pytest
import torch
from torch import nn

from practicezoo import TensorLoader, TrainStep, evaluate, fit
from practicezoo.metrics.loss import WeightedLoss


class Focal(nn.CrossEntropyLoss):
    def forward(self, logits, targets):
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        return ((1 - (-losses).exp()) ** 2 * losses).mean()


class Own(nn.Module):
    """Has a ``reduction`` of another meaning."""

    def __init__(self):
        super().__init__()
        self.reduction = "sum"

    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)


@pytest.mark.parametrize("criterion", [Focal(), Own(), Focal(reduction="sum")])
def test_a_class_of_the_users_is_called_as_it_is(criterion):
    torch.manual_seed(0)
    x, y = torch.randn(12, 3), torch.randint(4, (12,))
    results = []
    for size in (12, 4, 5):
        torch.manual_seed(0)
        model = nn.Linear(3, 4)
        step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.0), criterion)
        loss = step(list(zip(x.split(size), y.split(size), strict=True))).loss
        results.append((loss, model.weight.grad))
        evaluated = evaluate(model, list(zip(x.split(size), y.split(size), strict=True)), criterion=criterion)
        assert evaluated["loss"] == pytest.approx(loss.item(), rel=1e-6)
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


def test_a_batch_of_which_nothing_counts_changes_nothing():
    x, y = torch.randn(8, 4), torch.tensor([0, 0, 0, 0, 1, 2, 1, 2])
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([0.0, 1.0, 1.0]))
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = TrainStep(model, optimizer, criterion)
    before = model.weight.clone()
    assert step([(x[:4], y[:4])]).loss_sum == 0
    assert torch.equal(model.weight, before)
    loader = TensorLoader(x, y, batch_size=4)
    expected = evaluate(model, [(x[4:], y[4:])], criterion=criterion)["loss"]
    history = fit(model, loader, criterion=criterion, optimizer=optimizer, epochs=1)
    assert history["train_loss"] == [pytest.approx(expected)]
    assert model.weight.isfinite().all()


def test_the_guard_leaves_the_gradient_of_what_counts_bit_for_bit():
    x, y = torch.randn(8, 4), torch.randint(3, (8,))
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([0.3, 1.0, 2.0]))
    model = nn.Linear(4, 3)
    criterion(model(x), y).backward()
    expected = model.weight.grad.clone()
    TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.0), criterion)([(x, y)])
    assert torch.equal(model.weight.grad, expected)


@pytest.mark.parametrize("weight", [None, torch.tensor([0.0, 1.0])])
def test_an_epoch_of_which_nothing_counts_says_so(weight):
    criterion = nn.CrossEntropyLoss(weight=weight)
    ignored = torch.full((6,), -100 if criterion.weight is None else 0)
    loader = TensorLoader(torch.randn(6, 4), ignored, batch_size=3)
    good = TensorLoader(torch.randn(6, 4), torch.ones(6, dtype=torch.long), batch_size=3)
    model = nn.Linear(4, 2)
    for train, val in ((loader, None), (good, loader)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with pytest.raises(ValueError, match="must count at least one target, got none: each is"):
            fit(model, train, criterion=criterion, optimizer=optimizer, epochs=1, val_loader=val)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "settings", [{}, {"ignore_index": 2}, {"weight": torch.tensor([1.0, 0.5, 2.0])}, {"label_smoothing": 0.1}]
)
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_what_torch_has_counted_is_what_a_batch_weighs(dtype, settings, shape):
    weight = settings.get("weight")
    criterion = nn.CrossEntropyLoss(**settings | ({} if weight is None else {"weight": weight.to(dtype)}))
    outputs = torch.randn(300, 3, *shape, dtype=dtype, requires_grad=True)
    targets = torch.randint(3, (300, *shape))
    loss = WeightedLoss(criterion)
    counted, expected = loss.whole(outputs, targets).weight, loss.weight(targets)
    assert float(counted) == pytest.approx(float(expected), rel=1e-6)  # 1,800 has no name in bfloat16


def test_without_a_graph_targets_are_counted():
    loss = WeightedLoss(nn.CrossEntropyLoss())
    assert loss.whole(torch.zeros(5, 3), torch.tensor([0, 1, 2, -100, 0])).weight == 4


def test_one_hot_integers_are_named():
    model = nn.Linear(4, 3)
    step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
    with pytest.raises(TypeError, match="targets must be class indices, got one-hot integers"):
        step([(torch.randn(3, 4), torch.eye(3, dtype=torch.long))])


class Half:
    def __call__(self, outputs, targets):
        return 0.5


def test_a_criterion_returns_a_scalar_tensor():
    with pytest.raises(TypeError, match="criterion must return a scalar tensor, got float"):
        WeightedLoss(Half()).part(torch.zeros(2), torch.zeros(2), 2)
    with pytest.raises(ValueError, match=r"criterion must return a scalar, got shape \(2,\)"):
        WeightedLoss(lambda outputs, targets: outputs).part(torch.zeros(2), torch.zeros(2), 2)


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        (
            "optimizer",
            "adam",
            TypeError,
            "optimizer must be a torch.optim.Optimizer or a list .*, got 'adam'",
        ),
        ("optimizer", None, ValueError, "optimizer must be at least one optimizer, got None"),
        (
            "criterion",
            "cross_entropy",
            TypeError,
            "criterion must be a function of outputs and targets",
        ),
        ("lr_scheduler", 3, TypeError, r"lr_scheduler must have a method step\(\), got int"),
    ],
)
def test_what_fit_is_given_instead_is_named(argument, value, error, message):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    settings = {"criterion": nn.CrossEntropyLoss(), "optimizer": optimizer, "epochs": 1} | {argument: value}
    with pytest.raises(error, match=message):
        fit(model, [(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long))], **settings)
