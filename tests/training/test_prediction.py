"""predict: a batch is a batch, a loader gives batches, and rows belong to items."""

import pytest
import torch
from torch import nn

from practicezoo import CharGRUClassifier, PaddedSequence, TensorLoader, evaluate, fit, predict


def test_a_tensor_is_one_batch():
    model, x = nn.Linear(3, 2), torch.randn(5, 3)
    torch.testing.assert_close(predict(model, x), model(x).detach())


def test_a_padded_or_packed_sequence_is_one_batch():
    model = CharGRUClassifier(10, 3, embedding_dim=4, hidden_size=5).eval()
    batch = PaddedSequence(torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2]))
    for inputs in (batch, batch.pack(), [(batch, None)], [batch]):
        torch.testing.assert_close(predict(model, inputs), model(batch).detach())


def test_recurrent_states_are_not_joined_along_their_layers():
    model = nn.GRU(4, 3, num_layers=2, batch_first=True)
    batches = [torch.randn(6, 5, 4), torch.randn(3, 5, 4)]
    message = r"outputs\[1\] must have one row for each of the batch's 6 items, got shape \(2, 6, 3\): return"
    for inputs in (batches, batches[0]):
        with pytest.raises(ValueError, match=message):
            predict(model, inputs)


def test_what_is_no_loader_is_named():
    with pytest.raises(TypeError, match="loader must be an iterable of batches, got int"):
        predict(nn.Linear(3, 2), 5)


class Stateful(nn.Module):
    """Keeps its state from one call to the next."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head, self.state = nn.GRU(4, 3, batch_first=True), nn.Linear(3, 1), None

    def forward(self, x):
        y, state = self.rnn(x, self.state)
        self.state = state.detach()
        return self.head(y[:, -1])


def test_measuring_leaves_nothing_that_cannot_be_trained_with():
    model = Stateful()
    loader = TensorLoader(torch.randn(8, 5, 4), torch.randn(8, 1), batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    settings = {"criterion": nn.MSELoss(), "optimizer": optimizer}
    fit(model, loader, epochs=2, val_loader=loader, **settings)
    evaluate(model, loader, criterion=nn.MSELoss())
    predict(model, loader)
    fit(model, loader, epochs=1, **settings)
    lazy = nn.LazyLinear(1)
    evaluate(lazy, [(torch.zeros(2, 3), torch.zeros(2, 1))], criterion=nn.MSELoss())
    fit(
        lazy,
        [(torch.zeros(2, 3), torch.zeros(2, 1))],
        criterion=nn.MSELoss(),
        epochs=1,
        optimizer=torch.optim.SGD(lazy.parameters(), lr=0.1),
    )


def test_a_compiled_model_is_trained_measured_and_predicted_with():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    loader = TensorLoader(torch.randn(8, 3), torch.randint(2, (8,)), batch_size=4)
    compiled = torch.compile(model, backend="eager")
    history = fit(
        compiled,
        loader,
        criterion=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        epochs=2,
        val_loader=loader,
    )
    assert evaluate(compiled, loader, criterion=nn.CrossEntropyLoss())["loss"] == history["val_loss"][-1]
    torch.testing.assert_close(predict(compiled, loader), predict(model, loader))
