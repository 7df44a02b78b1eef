"""The course's numbers, as our training gives them."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from practicezoo.training import TrainStep, evaluate, train_epoch
from support.toys import split


class Slope(nn.Module):
    """y = w * x, from w = 1."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones((), dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.w


def line(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    x = torch.tensor([[1.0], [2.0], [3.0]], dtype=dtype)
    return x, 2 * x


def slopes(dtype: torch.dtype, epochs: int) -> list[float]:
    """The weight after each epoch of stochastic gradient descent, sample by sample."""
    model = Slope(dtype)
    step = TrainStep(model, SGD(model.parameters(), lr=0.01), nn.MSELoss())
    values = []
    for _ in range(epochs):
        for _ in train_epoch(step, split(*line(dtype), 1)):
            pass
        values.append(model.w.item())
    return values


def test_hand_sgd_in_float32():
    values = slopes(torch.float32, 100)
    golden = {1: 1.2606880665, 2: 1.4534177780, 3: 1.5959051847, 10: 1.9512161016}
    assert {epoch: values[epoch - 1] for epoch in golden} == pytest.approx(golden, abs=1e-9)
    assert values[-1] == 1.9999996423721313  # rounding stops it there


def test_hand_sgd_follows_the_exact_recursion_in_float64():
    values = slopes(torch.float64, 100)
    assert values == pytest.approx([2 - 0.739312**epoch for epoch in range(1, 101)], abs=1e-14)
    assert values[-1] == pytest.approx(1.9999999999999236, abs=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((0.5, 0.5), (1.9999957084655762, 8.70e-6)),
        ((-1.0, 1.0), (1.9999957084655762, 8.70e-6)),
        ((0.9, -0.9), (2.0000085830688477, -1.7225e-5)),
    ],
)
def test_linear_regression_freezes_in_float32(start, end):
    assert regression(start, torch.float32, 10_000) == pytest.approx(end, abs=3e-7)


@pytest.mark.slow
def test_linear_regression_goes_on_in_float64():
    assert regression((0.5, 0.5), torch.float64, 10_000) == pytest.approx((2, 0), abs=1e-9)


def regression(start: tuple[float, float], dtype: torch.dtype, epochs: int) -> tuple[float, float]:
    model = nn.Linear(1, 1, dtype=dtype)
    nn.init.constant_(model.weight, start[0])
    nn.init.constant_(model.bias, start[1])
    step = TrainStep(model, SGD(model.parameters(), lr=0.01), nn.MSELoss())
    for _ in range(epochs):
        for _ in train_epoch(step, [line(dtype)]):
            pass
    return model.weight.item(), model.bias.item()


def test_cross_entropy():
    batch = torch.tensor([[0.2, 0.1, -0.1]]), torch.tensor([0])
    assert evaluate(nn.Identity(), [batch], criterion=nn.CrossEntropyLoss()) == {
        "loss": pytest.approx(0.97291893, abs=1e-7)
    }


@pytest.mark.parametrize("size", [1, 3, 4])
def test_binary_cross_entropy(size):
    probabilities, targets = torch.tensor([0.2, 0.8, 0.3, 0.7]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    batches = split(probabilities, targets, size)
    assert evaluate(nn.Identity(), batches, criterion=nn.BCELoss()) == {
        "loss": pytest.approx(0.84830731, abs=1e-7)
    }
