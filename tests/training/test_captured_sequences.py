"""Updates by graphs of padded sequences, which are not packed then: the same up to rounding."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim import SGD
from torch.testing import assert_close

from practicezoo import PaddedSequence, SequenceEncoder
from practicezoo.data import TensorLoader
from practicezoo.models import (
    CharGRUClassifier,
    CharTagger,
    SequenceClassifier,
    StepwiseTagger,
    TemporalConvNet,
)
from practicezoo.runtime.recording import ElsewhereMode
from practicezoo.training import TrainStep, train_epoch

pytestmark = pytest.mark.usefixtures("graphs_stay")

LENGTHS = torch.tensor([4, 3, 2, 2, 1, 4])
NUM_CLASSES, NUM_FEATURES, NUM_CHARS = 4, 3, 5
READING = {"num_classes": NUM_CLASSES, "num_chars": NUM_CHARS}
DEEP = {"hidden_size": 4, "num_layers": 2, "embedding_dim": 3}

MODELS = {
    "classifier": lambda: CharGRUClassifier(**READING, **DEEP),
    "fused classifier": lambda: fused(CharGRUClassifier(**READING, **DEEP)),
    "tagger": lambda: CharTagger(**READING, **DEEP),
    "stepwise tagger": lambda: StepwiseTagger(**READING),
    "lstm": lambda: by_vectors(SequenceEncoder(NUM_FEATURES, 4, cell="lstm", bidirectional=True), "mean"),
    "rnn": lambda: by_vectors(SequenceEncoder(NUM_FEATURES, 4, cell="rnn", num_layers=2), "last"),
    "convolutions": lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,), norm=None),
    "layer norm": lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,), norm=nn.LayerNorm),
    "frozen batch norm": lambda: frozen(TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,))),
}


def fused(model):
    model.encoder.fused = True
    return model


def by_vectors(encoder, pooling):
    return SequenceClassifier(encoder, in_channels=NUM_FEATURES, num_classes=NUM_CLASSES, pooling=pooling)


def frozen(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
            module.requires_grad_(False)
    return model


class Packing(nn.Module):
    """A user's own network, as the textbook packs."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(NUM_FEATURES, 4, batch_first=True)
        self.head = nn.Linear(4, NUM_CLASSES)

    def forward(self, sequences):
        packed = pack_padded_sequence(
            sequences.data, sequences.lengths, batch_first=True, enforce_sorted=False
        )
        return self.head(self.rnn(packed)[1][-1])


def loader_for(model, device):
    """Three batches of two shapes, with anything behind the ends."""
    generator = torch.Generator().manual_seed(3)
    behind = torch.arange(4) >= LENGTHS[:, None]
    if isinstance(model, CharGRUClassifier | CharTagger | StepwiseTagger):
        data = torch.randint(NUM_CHARS, (6, 4), generator=generator).masked_fill(behind, NUM_CHARS + 9)
    else:
        data = torch.randn(6, 4, NUM_FEATURES, dtype=torch.float64, generator=generator)
        data[behind] = float("nan")
    is_tagger = isinstance(model, CharTagger | StepwiseTagger)
    targets = torch.randint(NUM_CLASSES, (6, 4) if is_tagger else (6,), generator=generator)
    if is_tagger:
        targets[behind] = -100
    return TensorLoader(PaddedSequence(data, LENGTHS), targets, batch_size=2, device=device)


def train(make_model, graphs, *, capture, epochs=6, accumulate=1):
    """The losses of each update, and the weights at the end."""
    torch.manual_seed(0)
    model = make_model().double().to(graphs.device)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), max_grad_norm=1.0, capture=capture)
    loader = loader_for(model, graphs.device)
    results = [result for _ in range(epochs) for result in train_epoch(step, loader, accumulate)]
    return [(result.loss, result.weight, result.num_items) for result in results], model.state_dict()


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_as_without_graphs(graphs, make_model, accumulate):
    plain = train(make_model, graphs, capture=False, accumulate=accumulate)
    captured = train(make_model, graphs, capture=True, accumulate=accumulate)
    assert_close(captured, plain)
    num_forms = 2  # by the longest sequence, or with a window of one or two batches
    assert (graphs.num_recorded, graphs.num_computed) == (num_forms, len(plain[0]) - 3 * num_forms)


def test_dropout_between_layers_is_drawn_anew(graphs):
    torch.manual_seed(0)
    model = CharGRUClassifier(**READING, **DEEP, dropout=0.5).to(graphs.device)
    step = TrainStep(model, SGD(model.parameters(), lr=0.0), nn.CrossEntropyLoss(), capture=True)
    batch, *_ = loader_for(model, graphs.device)
    losses = {float(step([batch]).loss) for _ in range(12)}
    assert graphs.num_computed == 9
    assert len(losses) > 6


@pytest.mark.parametrize(
    "make_model",
    [Packing, lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,))],
    ids=["packing", "batch norm"],
)
def test_what_goes_by_lengths_ends_the_graphs(graphs, make_model):
    plain = train(make_model, graphs, capture=False)
    with pytest.warns(UserWarning, match="capture=True ends here, updates go on without a graph"):
        captured = train(make_model, graphs, capture=True)
    assert_close(captured, plain)
    assert graphs.num_recorded == 0


def test_lengths_beside_a_tensor_end_the_graphs(graphs):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), capture=True)
    inputs, targets = next(iter(loader_for(model, graphs.device)))
    batch = (inputs.data, inputs.lengths.to(graphs.device)), targets
    with pytest.warns(UserWarning, match="the host waits"):
        [step([batch]) for _ in range(4)]


@pytest.mark.parametrize("wrong", [0, 5])
def test_wrong_lengths_are_refused_in_each_update(graphs, wrong):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), capture=True)
    inputs, targets = next(iter(loader_for(model, graphs.device)))
    for _ in range(4):
        step([(inputs, targets)])
    assert graphs.num_computed == 1
    before = [parameter.clone() for parameter in model.parameters()]
    sequences = inputs._replace(lengths=torch.tensor([wrong, 3]))
    with pytest.raises(ValueError, match=f"lengths must lie between 1 and 4, got {wrong} at index 0"):
        step([(sequences, targets)])
    assert all(map(torch.equal, before, model.parameters()))


def test_packed_sequences_have_no_graphs(graphs):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), capture=True)
    inputs, targets = next(iter(loader_for(model, graphs.device)))
    with pytest.warns(UserWarning, match="capture=True ends here"):
        [step([(inputs.pack(), targets)]) for _ in range(4)]


def test_a_compiled_model_of_sequences_has_no_graphs(graphs):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    compiled = torch.compile(model, backend="eager")
    step = TrainStep(compiled, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), capture=True)
    batch = next(iter(loader_for(model, graphs.device)))
    with pytest.warns(UserWarning, match="the model is compiled, which hides"):
        step([batch])


def test_lengths_may_be_moved_to_the_device_and_nothing_else():
    lengths = torch.tensor([2, 1])
    device = torch.device("meta")
    for function, is_found in [
        (lambda: lengths.to(device), False),
        (lambda: lengths.clone().to(device), True),
        (lambda: lengths - 1, True),
        (lambda: torch.tensor([2, 1]).to(device), True),
    ]:
        with ElsewhereMode(device, movable=[lengths]) as elsewhere:
            function()
        assert bool(elsewhere.found) == is_found
