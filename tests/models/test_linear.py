"""The first lessons' regressions: nn.Linear with a check, and the course's own numbers."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import LinearRegression, LogisticRegression, TensorLoader, fit

HOURS = torch.tensor([[1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    ("model", "sizes"), [(LinearRegression, (3, 2)), (LogisticRegression, (3,))], ids=str
)
def test_start_and_result_are_those_of_a_linear_layer(model, sizes):
    torch.manual_seed(1)
    layer = nn.Linear(3, sizes[-1] if len(sizes) > 1 else 1)
    torch.manual_seed(1)
    ours = model(*sizes)
    assert_close(ours.state_dict(), layer.state_dict(), rtol=0, atol=0)
    inputs = torch.randn(5, 3)
    assert torch.equal(ours(inputs), layer(inputs))


def test_probabilities_are_the_sigmoid_of_the_logits():
    model = LogisticRegression(3)
    inputs = torch.randn(5, 3)
    probabilities = model.predict_proba(inputs)
    assert probabilities.shape == (5, 1)
    assert torch.equal(probabilities, 1 / (1 + (-model(inputs)).exp()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "weight", "bias", "tolerance"),
    [
        ((0.5, 0.5), 1.9999957084655762, 8.70e-6, 3e-7),
        ((-1.0, 1.0), 1.9999957084655762, 8.70e-6, 3e-7),
        ((0.9, -0.9), 2.0000085830688477, -1.7225e-5, 3e-7),
    ],
)
def test_the_lectures_regression_stops_where_float32_stops(start, weight, bias, tolerance):
    model = LinearRegression()
    with torch.no_grad():
        model.weight.fill_(start[0])
        model.bias.fill_(start[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = TensorLoader(HOURS, 2 * HOURS, batch_size=3)
    fit(model, loader, criterion=nn.MSELoss(), optimizer=optimizer, epochs=10_000, progress=False)
    assert model.weight.item() == pytest.approx(weight, abs=tolerance)
    assert model.bias.item() == pytest.approx(bias, abs=tolerance)
    assert model(torch.tensor([[4.0]])).item() == pytest.approx(8, abs=1e-4)


@pytest.mark.parametrize(
    "model", [LinearRegression(4), LogisticRegression(4)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("shape", [(2, 5), (4,), (2, 4, 1)], ids=str)
def test_another_width_is_named_with_the_right_one(model, shape):
    with pytest.raises(ValueError) as error:
        model(torch.zeros(shape))
    assert str(error.value) == f"{type(model).__name__} expects inputs of shape (N, 4), got {shape}"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LinearRegression(0), "in_features must be at least 1, got 0"),
        (lambda: LinearRegression(1, 0), "out_features must be at least 1, got 0"),
        (lambda: LogisticRegression(0), "in_features must be at least 1, got 0"),
    ],
)
def test_sizes_below_one_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
