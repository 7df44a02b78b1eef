"""LBFGS in a TrainStep: torch's own loop, over micro-batches, to the known solution."""

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD
from torch.optim.lr_scheduler import StepLR

from practicezoo.training import TrainStep, fit, loss_weight
from support.toys import classes, close, same_weights, split

line_search = pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])


class Bowl(nn.Module):
    """Parameters whose loss is a quadratic with its least value at ``(1, -2, 3)``."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, slopes):
        return (slopes * (self.place - torch.tensor([1.0, -2.0, 3.0]))).square().sum(dim=1)


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    return classes(dtype=torch.float64)


@line_search
def test_a_quadratic_is_solved_in_one_step(line_search_fn):
    model = Bowl()
    optimizer = LBFGS(model.parameters(), max_iter=50, line_search_fn=line_search_fn)
    step = TrainStep(model, optimizer, lambda outputs, targets: (outputs - targets).sum())
    slopes = torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64)
    first = step([(slopes, torch.zeros(1).double())])
    close(first.loss, torch.tensor(1 + 16 + 2.25, dtype=torch.float64))  # before the update
    close(model.place.detach(), torch.tensor([1.0, -2.0, 3.0]).double(), tolerance=1e-5)


def test_least_squares_to_the_normal_equations():
    torch.manual_seed(0)
    inputs, targets = torch.randn(40, 5, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64)
    model = nn.Linear(5, 2).double()
    optimizer = LBFGS(
        model.parameters(), tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )
    fit(
        model,
        split(inputs, targets, 40),
        criterion=nn.MSELoss(),
        optimizer=optimizer,
        epochs=5,
        progress=False,
    )
    solution = torch.linalg.lstsq(torch.cat([inputs, torch.ones(40, 1).double()], dim=1), targets).solution
    close(torch.cat([model.weight.T, model.bias[None]]).detach(), solution, tolerance=1e-8)


@line_search
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_one_micro_batch_is_torchs_own_loop_bit_for_bit(line_search_fn, reduction):
    inputs, targets = problem()
    criterion = nn.CrossEntropyLoss(reduction=reduction)
    ours, theirs = network(), network()
    settings = {"lr": 0.3, "max_iter": 7, "line_search_fn": line_search_fn}
    step = TrainStep(ours, LBFGS(ours.parameters(), **settings), criterion)
    optimizer = LBFGS(theirs.parameters(), **settings)

    def closure():
        optimizer.zero_grad()
        loss = criterion(theirs(inputs), targets)
        loss.backward()
        return loss

    for _ in range(5):
        result = step([(inputs, targets)])
        loss = optimizer.step(closure).detach()
        assert same_weights(ours, theirs)
        close(result.loss, loss / 30 if reduction == "sum" else loss)
    assert optimizer.state_dict()["state"][0]["func_evals"] > 20


@line_search
@pytest.mark.parametrize("sizes", [[7, 20, 3], [1, 29]], ids=str)
@pytest.mark.parametrize(
    "criterion",
    [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(ignore_index=1), nn.CrossEntropyLoss(reduction="sum")],
    ids=["mean", "ignore_index", "sum"],
)
def test_micro_batches_equal_the_full_batch(line_search_fn, sizes, criterion):
    runs = []
    for parts in ([30], sizes):
        model = network()
        optimizer = LBFGS(model.parameters(), lr=0.3, max_iter=4, line_search_fn=line_search_fn)
        step = TrainStep(model, optimizer, criterion)
        results = [step(split(*problem(), parts)) for _ in range(3)]
        runs.append((model.state_dict(), [result.loss for result in results]))
        assert [result.num_items for result in results] == [30] * 3
    close(runs[1], runs[0], tolerance=1e-8)


def test_the_reported_loss_is_the_first_evaluations():
    inputs, targets = problem()
    criterion = nn.CrossEntropyLoss(ignore_index=1)
    model = network()
    before = criterion(model(inputs), targets).detach()
    result = TrainStep(model, LBFGS(model.parameters()), criterion)(split(inputs, targets, 8))
    close(result.loss, before)
    close(torch.as_tensor(result.weight), torch.as_tensor(loss_weight(criterion, targets)))
    assert result.grad_norm is None
    assert not result.loss_sum.requires_grad
    assert criterion(model(inputs), targets) < before / 2


def test_every_evaluation_sees_every_micro_batch():
    model, sizes = network(), []
    model.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    optimizer = LBFGS(model.parameters(), lr=0.1, max_iter=5)
    TrainStep(model, optimizer, nn.CrossEntropyLoss())(split(*problem(), [12, 12, 6]))
    evaluations = optimizer.state_dict()["state"][0]["func_evals"]
    assert evaluations == 5
    assert sizes == [12, 12, 6] * evaluations


def test_the_schedule_takes_one_step():
    model = network()
    optimizer = LBFGS(model.parameters(), lr=1.0)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), lr_scheduler=StepLR(optimizer, 1, gamma=0.5))
    step(split(*problem(), 10))
    assert step.learning_rate == 0.5


def test_bfloat16_autocast_reaches_every_evaluation():
    model, seen = network().float(), []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    step = TrainStep(model, LBFGS(model.parameters(), max_iter=3), nn.CrossEntropyLoss(), precision="bf16")
    step([classes()])
    assert seen == [torch.bfloat16] * 3


class TestRefused:
    @pytest.mark.parametrize("order", [0, 1])
    def test_another_optimizer_beside_it(self, order):
        model = network()
        optimizers = [LBFGS(model[0].parameters()), SGD(model[2].parameters(), lr=0.1)]
        names = "LBFGS, SGD" if order == 0 else "SGD, LBFGS"
        with pytest.raises(
            ValueError, match=f"optimizer must be LBFGS alone, for it evaluates the loss itself, got {names}"
        ):
            TrainStep(model, optimizers[::-1] if order else optimizers, nn.CrossEntropyLoss())

    def test_fp16(self):
        model = network()
        with pytest.raises(ValueError, match=r"precision must be 'fp32' or 'bf16' with LBFGS.*, got 'fp16'"):
            TrainStep(model, LBFGS(model.parameters()), nn.CrossEntropyLoss(), precision="fp16")

    def test_clipping(self):
        model = network()
        with pytest.raises(ValueError, match=r"max_grad_norm must be None with LBFGS.*, got 1.0"):
            TrainStep(model, LBFGS(model.parameters()), nn.CrossEntropyLoss(), max_grad_norm=1.0)
