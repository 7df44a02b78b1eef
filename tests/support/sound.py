"""Programs that look odd and are sound."""

import torch
from torch import nn
from torch.optim import SGD, Adam, SparseAdam
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import PaddedSequence, SequenceEncoder
from support.programs import CLASSES, FEATURES, Program, classify, features, labels, mlp


def zero_head():
    model = mlp()
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    return classify(model)


class LowRank(nn.Module):
    """A frozen layer and a correction that starts at zero."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(FEATURES, CLASSES).requires_grad_(requires_grad=False)
        self.down, self.up = nn.Parameter(torch.randn(FEATURES, 2)), nn.Parameter(torch.zeros(2, CLASSES))

    def forward(self, inputs):
        return self.frozen(inputs) + inputs @ self.down @ self.up


def low_rank():
    model = LowRank()
    return classify(model, optimizer=Adam([model.down, model.up]))


def warm_up():
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    LambdaLR(optimizer, lambda step: step / 100)
    return classify(model, optimizer=optimizer)


def two_optimizers():
    model = nn.Sequential(nn.Embedding(30, 4, sparse=True), nn.Flatten(), nn.Linear(4 * FEATURES, CLASSES))
    optimizers = [SparseAdam(model[0].parameters()), Adam(model[2].parameters())]
    return classify(model, inputs=torch.randint(30, (32, FEATURES)), optimizer=optimizers)


def scaled_inside():
    inputs = features() * 100 + 50
    return classify(nn.Sequential(nn.BatchNorm1d(FEATURES), mlp()), inputs=inputs)


def old_weight_norm():
    """A module that keeps a tensor with a graph, which deepcopy refuses."""
    model = mlp()
    model.register_forward_hook(lambda module, _, outputs: module.__dict__.update(last=outputs))
    model(features())
    return classify(model)


def kept_order_of_one_batch():
    inputs, targets = features(), labels().sort().values
    return Program(mlp(), DataLoader(TensorDataset(inputs, targets), batch_size=32), nn.CrossEntropyLoss())


def last_batch_of_one_image():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, CLASSES)
    )
    data = TensorDataset(torch.randn(33, 1, 8, 8), labels(33))
    return Program(model, DataLoader(data, batch_size=16, shuffle=True), nn.CrossEntropyLoss())


class CentredInPlace(nn.Module):
    """Changes its inputs, as `x -= mean` in a forward does."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head = SequenceEncoder(FEATURES, 8), nn.Linear(8, CLASSES)

    def forward(self, sequences):
        sequences.data.mul_(0.5)
        return self.head(self.encoder(sequences).final_state)


def sequences_changed_in_place():
    return classify(
        CentredInPlace(), inputs=PaddedSequence(torch.randn(32, 7, FEATURES), torch.arange(32) % 7 + 1)
    )


def regression(criterion=None, inputs=None, last=()):
    inputs = features() if inputs is None else inputs
    model = nn.Sequential(nn.Linear(inputs.shape[1], 8), nn.Tanh(), nn.Linear(8, 1), *last)
    return Program(model, [(inputs, torch.rand(len(inputs), 1))], criterion or nn.MSELoss())


SOUND = {
    "a last layer that starts at zero": zero_head,
    "a low-rank correction": low_rank,
    "a scheduler that starts at zero": warm_up,
    "two optimizers and sparse gradients": two_optimizers,
    "inputs that the model scales": scaled_inside,
    "inputs that the model changes in place": sequences_changed_in_place,
    "a module that keeps its outputs": old_weight_norm,
    "one batch in a fixed order": kept_order_of_one_batch,
    "a last batch of one image": last_batch_of_one_image,
    "log-softmax and NLL": lambda: classify(mlp(nn.LogSoftmax(dim=1)), criterion=nn.NLLLoss()),
    "sigmoid and BCE": lambda: regression(nn.BCELoss(), last=[nn.Sigmoid()]),
    "sigmoid and squared error": lambda: regression(last=[nn.Sigmoid()]),
    "a criterion of one's own": lambda: regression(lambda outputs, targets: (outputs - targets).abs().mean()),
    "grey values between 0 and 1": lambda: regression(inputs=torch.rand(32, 784)),
    "hours": lambda: regression(inputs=torch.arange(1.0, 11)[:, None]),
    "class probabilities": lambda: classify(targets=torch.rand(32, CLASSES).softmax(dim=1)),
    "ignored targets": lambda: classify(targets=torch.tensor([-100, 0, 1, 2] * 8)),
    "several binary targets": lambda: classify(
        targets=torch.rand(32, CLASSES).round(), criterion=nn.BCEWithLogitsLoss(reduction="sum")
    ),
    "a class for each pixel": lambda: classify(
        nn.Conv2d(3, 4, 3, padding=1), inputs=torch.randn(4, 3, 8, 8), targets=torch.randint(4, (4, 8, 8))
    ),
    "prices": lambda: Program(mlp(outputs=1), [(features(), 2e5 + torch.randn(32, 1) * 1e5)], nn.MSELoss()),
    "a batch of one": lambda: classify(inputs=features(1)),
    "a quarter of dead units": lambda: classify(
        nn.Sequential(mlp(outputs=64), nn.ReLU(), nn.Linear(64, CLASSES))
    ),
}
