"""What a finding advises can be done, with `fit` as well, and mends the program."""

import re

import pytest
import torch
from torch import nn
from torch.optim import SGD

from practicezoo import fit
from practicezoo.diagnostics import check
from support.programs import FEATURES, features, mlp

CRITERIA = {
    "squared error": nn.MSELoss(),
    "Poisson": nn.PoissonNLLLoss(),
    "Huber": nn.HuberLoss(),
    "a criterion of one's own": lambda outputs, targets: (outputs - targets).abs().mean(),
}


class Squeezed(nn.Sequential):
    """A network that returns (N,) for (N, 1)."""

    def forward(self, inputs):
        return super().forward(inputs).squeeze(-1)


def examined(model, targets, criterion):
    """The findings for a batch with these targets, and the loss before and after a short training."""
    loader = [(inputs := features(), targets(inputs))]
    optimizer = SGD(model.parameters(), lr=0.01)
    findings = check(model, loader, criterion=criterion, optimizer=optimizer)
    history = fit(model, loader, criterion=criterion, optimizer=optimizer, epochs=30, progress=False)
    return findings, (history["train_loss"][0], history["train_loss"][-1])


def counts(inputs):
    return inputs[:, 0].exp().round()


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")  # torch sees some of them too
@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_a_row_of_targets_against_a_column_of_outputs_is_found(criterion):
    (finding,), _ = examined(mlp(outputs=1), counts, criterion)
    assert finding.code == "silent-broadcast"
    assert "(32, 1), the targets (32,)" in finding.message
    assert "has shape (32, 32), each output against other samples' targets too" in finding.message
    assert finding.fix == "let the data set give targets.unsqueeze(-1), or forward return outputs.squeeze(-1)"


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_targets_that_the_data_set_unsqueezes_train(criterion):
    findings, (before, after) = examined(
        mlp(outputs=1), lambda inputs: counts(inputs).unsqueeze(-1), criterion
    )
    assert findings == []
    assert after < before


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_outputs_that_forward_squeezes_train(criterion):
    findings, (before, after) = examined(Squeezed(*mlp(outputs=1)), counts, criterion)
    assert findings == []
    assert after < before


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@pytest.mark.parametrize(
    ("outputs", "targets", "what"),
    [
        (3, 1, "(32, 3), each target against several outputs"),
        (1, 3, "(32, 3), each output against several targets"),
    ],
)
def test_outputs_of_another_number_than_the_targets(outputs, targets, what):
    program = mlp(outputs=outputs), [(features(), torch.randn(32, targets))]
    (finding,) = check(*program, criterion=nn.MSELoss())
    assert finding.message.endswith(what)
    assert finding.fix == (
        "give the model an output for each target, or let the data set give a target for each output"
    )


def bounded(*last):
    model = mlp(*last, outputs=1)
    (finding,) = check(model, [(features(), 4 * torch.randn(32, 1))], criterion=nn.MSELoss())
    return finding


def test_what_bounds_the_outputs_is_named_where_it_is_known():
    class Half(nn.Module):
        def forward(self, inputs):
            return inputs / 2

    class Sine(nn.Module):
        def forward(self, inputs):
            return inputs.sin()

    ends = r", or scale the targets into the range of the outputs$"
    assert re.match(f"remove the tanh behind the last layer{ends}", bounded(nn.Tanh()).fix)
    assert re.match(f"remove the tanh behind the last layer{ends}", bounded(nn.Tanh(), Half()).fix)
    assert re.match(f"end the model in a linear layer{ends}", bounded(Sine()).fix)


def test_a_recurrent_layer_needs_a_layer_behind_it():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(FEATURES, 1, batch_first=True)

        def forward(self, inputs):
            return self.gru(inputs)[1][-1]

    batch = torch.randn(32, 7, FEATURES), 4 * torch.randn(32, 1)
    (finding,) = check(Last(), [batch], criterion=nn.MSELoss())
    assert "(they are the state of layer 'gru')" in finding.message
    assert finding.fix.startswith("put a linear layer behind layer 'gru', or scale the targets")
