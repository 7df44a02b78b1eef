"""Updates by graphs of padded sequences, which are not packed then: the same up to rounding."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
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
from practicezoo.training import capture as capturing

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
    "one-hot": lambda: CharTagger(**READING, embedding_dim=None, hidden_size=4, cell="rnn"),
    "stepwise lstm": lambda: StepwiseTagger(**READING, hidden_size=4, cell="lstm", head=nn.Linear),
    "deep head": lambda: CharTagger(**READING, **DEEP, head=deep_head),
    "last": lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,), norm=None, pooling="last"),
    "frozen batch norm": lambda: frozen(TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,))),
}


def fused(model):
    model.encoder.fused = True
    return model


def by_vectors(encoder, pooling):
    return SequenceClassifier(encoder, in_channels=NUM_FEATURES, num_classes=NUM_CLASSES, pooling=pooling)


def deep_head(num_in, num_out, **settings):
    return nn.Sequential(nn.Linear(num_in, 4, **settings), nn.PReLU(4), nn.Linear(4, num_out, **settings))


def with_embedding(**settings):
    model = CharGRUClassifier(**READING, **DEEP)
    model.embedding = nn.Embedding(NUM_CHARS, DEEP["embedding_dim"], **settings)
    return model


def with_rnn(rnn, cell):
    encoder = SequenceEncoder(NUM_FEATURES, 4, cell=cell)
    encoder.rnn = rnn
    return by_vectors(encoder, "last")


def pruned():
    model = CharGRUClassifier(**READING, **DEEP)
    prune.l1_unstructured(model.encoder.rnn, "weight_hh_l0", 0.5)
    return model


def normed_head(num_in, num_out, **settings):
    """As many features as a batch has steps: a norm over the wrong dimension would go unseen."""
    return nn.Sequential(
        nn.Linear(num_in, 4, **settings), nn.BatchNorm1d(4, **settings), nn.Linear(4, num_out, **settings)
    )


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


class OwnGRU(nn.GRU):
    """A user's, which does something else."""

    def forward(self, *inputs):
        outputs, state = super().forward(*inputs)
        return outputs, 2 * state


class RowNorm(nn.Module):
    """A user's, which looks at all steps."""

    def __init__(self, *_sizes, **_settings):
        super().__init__()

    def forward(self, rows):
        return rows - rows.mean(dim=0)


def rnn_of(make, **settings):
    return make(NUM_FEATURES, 4, batch_first=True, **settings)


# what may not see padding, or is not torch's own layer as it comes
OTHERS = {
    "packing": Packing,
    "batch norm": lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,)),
    "norm of one's own": lambda: TemporalConvNet(NUM_FEATURES, NUM_CLASSES, channels=(4,), norm=RowNorm),
    "norm without eps": lambda: TemporalConvNet(
        NUM_FEATURES, NUM_CLASSES, channels=(4,), norm=partial(nn.LayerNorm, eps=0.0)
    ),
    "head with batch norm": lambda: CharTagger(**READING, **DEEP, head=normed_head),
    "stepwise with a head of one's own": lambda: StepwiseTagger(**READING, head=RowNorm),
    "sparse gradients": lambda: with_embedding(sparse=True),
    "scaled embedding": lambda: with_embedding(scale_grad_by_freq=True),
    "bounded embedding": lambda: with_embedding(max_norm=0.5),
    "relu": lambda: with_rnn(rnn_of(nn.RNN, nonlinearity="relu"), "rnn"),
    "no bias": lambda: with_rnn(rnn_of(nn.GRU, bias=False), "gru"),
    "gru of one's own": lambda: with_rnn(rnn_of(OwnGRU), "gru"),
    "pruned": pruned,
}


def frozen(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
            module.requires_grad_(False)
    return model


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


def capturing_step(model):
    return TrainStep(model, SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), capture=True)


def train(make_model, graphs, *, capture, epochs=6, accumulate=1):
    """The losses of each update, and the weights at the end."""
    torch.manual_seed(0)
    model = make_model().double().to(graphs.device)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    is_sparse = any(isinstance(part, nn.Embedding) and part.sparse for part in model.modules())
    limit = None if is_sparse else 1.0  # older versions of torch cannot take a sparse gradient's norm
    step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), max_grad_norm=limit, capture=capture)
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


@pytest.mark.parametrize("make_model", OTHERS.values(), ids=OTHERS)
def test_what_may_not_see_padding_ends_the_graphs(graphs, make_model):
    plain = train(make_model, graphs, capture=False)
    with pytest.warns(UserWarning, match="capture=True ends here, updates go on without a graph"):
        captured = train(make_model, graphs, capture=True)
    assert_close(captured, plain)
    assert graphs.num_recorded == 0


def test_a_hook_never_sees_padding(graphs):
    shapes = set()
    model = CharTagger(**READING, **DEEP).to(graphs.device)
    model.head.register_forward_hook(lambda _module, _inputs, outputs: shapes.add(outputs.ndim))
    step = capturing_step(model)
    with pytest.warns(UserWarning, match="Linear has a hook, which a graph would not call"):
        [step([batch]) for batch in [*loader_for(model, graphs.device)] * 4]
    assert shapes == {2}


def test_lengths_beside_a_tensor_end_the_graphs(graphs):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = capturing_step(model)
    inputs, targets = next(iter(loader_for(model, graphs.device)))
    batch = (inputs.data, inputs.lengths.to(graphs.device)), targets
    with pytest.warns(UserWarning, match="the host waits"):
        [step([batch]) for _ in range(4)]


class Masking(nn.Module):
    """A user's own network, which packs nothing."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, sequences):
        data, lengths = sequences
        behind = torch.arange(data.shape[1], device=data.device) >= lengths.to(data.device).unsqueeze(1)
        return self.head(data.masked_fill(behind.unsqueeze(2), 0).sum(dim=1))


def test_a_network_of_ones_own_that_masks(graphs):
    plain, captured = (train(Masking, graphs, capture=capture) for capture in (False, True))
    assert_close(captured, plain)
    assert graphs.num_recorded == 2


@pytest.mark.parametrize("change", [lambda lengths: lengths.int(), lambda lengths: lengths - 1])
def test_lengths_that_only_a_network_of_ones_own_takes(graphs, change):
    model = Masking().to(graphs.device)
    step = capturing_step(model)
    data = torch.randn(2, 4, NUM_FEATURES, device=graphs.device)
    batch = PaddedSequence(data, change(torch.tensor([4, 1]))), torch.tensor([0, 1], device=graphs.device)
    with pytest.warns(UserWarning, match="capture=True ends here, .*: lengths must"):
        [step([batch]) for _ in range(4)]


@pytest.mark.gpu
def test_lengths_on_the_device_are_tensors_like_others(cuda):
    model = Masking().to(cuda)
    step = capturing_step(model)
    data = torch.randn(2, 4, NUM_FEATURES, device=cuda)
    batch = PaddedSequence(data, torch.tensor([4, 1], device=cuda)), torch.tensor([0, 1], device=cuda)
    losses = [float(step([batch]).loss) for _ in range(6)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    "as_batch",
    [
        lambda names, targets: {"inputs": names, "targets": targets},
        lambda names, targets: ({"inputs": names}, targets),
    ],
)
def test_sequences_within_dicts(graphs, as_batch):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = capturing_step(model)
    for _ in range(4):
        for batch in loader_for(model, graphs.device):
            step([as_batch(*batch)])
    assert graphs.num_recorded == 2


def test_the_second_update_follows_the_lengths(graphs, monkeypatch):
    """Where lengths are on the CPU and all else is not; the tape's device hides the difference."""
    followed = []

    class Found(ElsewhereMode):
        def __init__(self, device, *, movable):
            super().__init__(device, movable=movable)
            followed.append(list(movable))
            self.found = ["an operation has a tensor on cpu"]

    monkeypatch.setattr(capturing, "ElsewhereMode", Found)
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = capturing_step(model)
    batch = next(iter(loader_for(model, graphs.device)))
    step([batch])
    assert followed == []
    with pytest.warns(UserWarning, match="lengths are needed on the CPU: an operation has a tensor on cpu"):
        step([batch])
    ((lengths,),) = followed
    assert lengths is batch[0].lengths
    step([batch])
    assert graphs.num_recorded == 0


def test_an_error_in_a_rehearsal_leaves_it_to_be_made(graphs):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = capturing_step(model)
    batch = next(iter(loader_for(model, graphs.device)))
    step([batch])
    step([batch])
    vars(model)["forward"] = lambda *_: model.no_such_attribute
    with pytest.raises(AttributeError):
        step([batch])
    del vars(model)["forward"]
    step([batch])
    assert graphs.num_recorded == 0
    step([batch])
    assert graphs.num_computed == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kernels_of_single_precision(graphs, precision):
    """Of more than 128 hidden features, for which cuDNN has several."""

    def train_single(*, capture):
        torch.manual_seed(0)
        model = CharGRUClassifier(**READING, hidden_size=136, embedding_dim=8).to(graphs.device)
        optimizer = SGD(model.parameters(), lr=0.05)
        step = TrainStep(model, optimizer, nn.CrossEntropyLoss(), precision=precision, capture=capture)
        loader = loader_for(model, graphs.device)
        return torch.stack([result.loss for _ in range(5) for result in train_epoch(step, loader)])

    tolerance = 1e-4 if precision == "fp32" else 0.02
    assert_close(train_single(capture=True), train_single(capture=False), rtol=tolerance, atol=tolerance)
    assert graphs.num_recorded == 2


@pytest.mark.parametrize("wrong", [0, 5])
def test_wrong_lengths_are_refused_in_each_update(graphs, wrong):
    model = CharGRUClassifier(**READING, **DEEP).to(graphs.device)
    step = capturing_step(model)
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
    step = capturing_step(model)
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
