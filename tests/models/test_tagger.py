"""CharTagger and StepwiseTagger: one network in two forms, and logits that no padding reaches."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.testing import assert_close

from practicezoo import Accuracy, CharTagger, PaddedSequence, TrainStep, create_model, evaluate
from practicezoo.models import StepwiseTagger

EXACT = {"rtol": 0, "atol": 1e-12}
CELLS = ["rnn", "gru", "lstm"]
MODELS = [
    lambda cell: CharTagger(9, 6, embedding_dim=5, cell=cell, dtype=torch.float64),
    lambda cell: CharTagger(9, 6, embedding_dim=None, bidirectional=True, cell=cell, dtype=torch.float64),
    lambda cell: StepwiseTagger(9, 6, hidden_size=6, cell=cell, dtype=torch.float64),
    lambda cell: StepwiseTagger(9, 6, cell=cell, head=nn.Linear, dtype=torch.float64),
]
every_model = pytest.mark.parametrize("make", MODELS, ids=["embedding", "bidirectional", "cell", "head"])
every_cell = pytest.mark.parametrize("cell", CELLS)
texts = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=7), min_size=1, max_size=5)

HELLO = torch.tensor([[1, 0, 2, 2, 3]])  # in the alphabet "ehlo"
OHLOL = torch.tensor([[3, 1, 2, 3, 2]])


def batch_of(ids, *, extra=0, garbage=0):
    """The texts as a padded batch, with more padding, all of it ``garbage``."""
    texts = [torch.tensor(text) for text in ids]
    data = pad_sequence(texts, batch_first=True, padding_value=garbage)
    data = torch.cat([data, data.new_full((len(ids), extra), garbage)], dim=1)
    return PaddedSequence(data, torch.tensor([len(text) for text in texts]))


def gradients(model, logits):
    """The gradients of an uneven weighting of the logits, whatever stands behind their ends."""
    model.zero_grad()
    steps = torch.arange(1.0, logits.shape[-1] + 1, dtype=logits.dtype)
    rows = torch.arange(1.0, logits.shape[0] * logits.shape[1] + 1, dtype=logits.dtype)
    logits.mul(rows.sin().view(*logits.shape[:2], 1) * steps).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@every_cell
@every_model
@given(ids=texts, extra=st.integers(0, 2), garbage=st.sampled_from([0, 5, -1, 10**6]))
@settings(max_examples=8)
def test_every_form_gives_what_the_text_alone_gives(make, cell, ids, extra, garbage):
    model = make(cell)
    batch = batch_of(ids, extra=extra, garbage=garbage)
    outputs = [model(torch.tensor([text])).mT[0] for text in ids]  # (T, classes) each
    alone = pad_sequence(outputs, batch_first=True).mT
    expected = gradients(model, alone)
    longest = int(batch.lengths.max())
    for inputs in [(batch,), (batch.pack(),), (batch.data, batch.lengths)]:
        logits = model(*inputs)
        is_packed = isinstance(inputs[0], nn.utils.rnn.PackedSequence)
        assert logits.shape == (len(ids), 6, longest if is_packed else longest + extra)
        assert not logits[:, :, longest:].any()
        assert_close(logits[:, :, :longest], alone, **EXACT)
        assert_close(gradients(model, logits), expected, rtol=1e-10, atol=1e-10)


@every_cell
@pytest.mark.parametrize("head", [None, nn.Linear])
def test_walking_a_cell_is_the_layer(cell, head):
    layer = CharTagger(
        9, 6, embedding_dim=None, hidden_size=6, num_layers=1, cell=cell, head=head, dtype=torch.float64
    )
    walk = StepwiseTagger(9, 6, hidden_size=6, cell=cell, head=head, dtype=torch.float64)
    walk.load_layer(layer)
    batch = batch_of([[1, 0, 2], [4], [8, 7, 7, 3, 5], [0, 0]])
    for inputs in (batch.data, batch, batch.pack()):
        left, right = layer(inputs), walk(inputs)
        assert_close(right, left, **EXACT)
        assert_close(gradients(walk, right), gradients(layer, left), rtol=1e-10, atol=1e-10)


def test_the_names_that_the_layers_parameters_have_in_the_walk():
    layer = CharTagger(embedding_dim=None, num_layers=1, hidden_size=5)
    walk = StepwiseTagger(hidden_size=5, head=nn.Linear)
    assert [name.replace("encoder.", "").replace("_l0", "") for name in layer.state_dict()] == list(
        walk.state_dict()
    )


def test_one_hot_rows_are_rows_of_the_weight():
    model = StepwiseTagger(dtype=torch.float64)
    cell = model.rnn
    expected = torch.tanh(cell.weight_ih[:, 2] + cell.bias_ih + cell.bias_hh)
    assert_close(model(torch.tensor([[2]]))[0, :, 0], expected, **EXACT)


def test_an_embedding_of_unit_vectors_is_one_hot():
    one_hot = CharTagger(embedding_dim=None)
    embedding = CharTagger(embedding_dim=4)
    embedding.load_state_dict({**one_hot.state_dict(), "embedding.weight": torch.eye(4)})
    assert_close(embedding(HELLO), one_hot(HELLO), rtol=0, atol=0)


def test_a_head_of_ones_own():
    class Scaled(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs) * 10

    model = CharTagger(head=Scaled)
    plain = CharTagger()
    plain.load_state_dict(model.state_dict())
    assert_close(model(HELLO), plain(HELLO) * 10)


def train(model, step, batches, *, updates=3):
    for _ in range(updates):
        result = step(batches)
    return result


def test_training_counts_real_steps_only():
    """Micro-batches padded to their own lengths, and to more, equal one batch."""
    ids = [[1, 0, 2], [4], [8, 7, 7, 3, 5], [0, 0]]
    classes = [[0, 1, 2], [3], [4, 5, 5, 0, 1], [2, 2]]

    def batch(rows, *, extra=0, garbage=0):
        inputs = batch_of([ids[row] for row in rows], extra=extra, garbage=garbage)
        targets = batch_of([classes[row] for row in rows], extra=extra, garbage=-100)
        return inputs, targets.data

    criterion = nn.CrossEntropyLoss()
    runs = []
    for batches in ([batch([0, 1, 2, 3])], [batch([1, 0], extra=2, garbage=7), batch([3]), batch([2])]):
        torch.manual_seed(0)
        model = CharTagger(9, 6, dtype=torch.float64)
        step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.5), criterion)
        result = train(model, step, batches)
        measured = evaluate(
            model, batches, criterion=criterion, metrics={"accuracy": Accuracy(ignore_index=-100)}
        )
        runs.append((model.state_dict(), result.loss, int(result.weight), measured))
    assert runs[0][2] == 11
    assert_close(runs[1], runs[0], rtol=1e-12, atol=1e-12)


def learn_hello(name, *, lr, reduction, seed):
    """What the course's network makes of hello after its 15 epochs."""
    torch.manual_seed(seed)
    model = create_model(name)
    criterion = nn.CrossEntropyLoss(reduction=reduction)
    step = TrainStep(model, torch.optim.Adam(model.parameters(), lr=lr), criterion)
    train(model, step, [(HELLO, OHLOL)], updates=15)
    return model(HELLO).argmax(dim=1)


@pytest.mark.parametrize("seed", range(10))
def test_hello_becomes_ohlol(seed):
    assert torch.equal(learn_hello("hello_embedding_rnn", lr=0.05, reduction="mean", seed=seed), OHLOL)


@pytest.mark.parametrize(
    ("name", "lr", "reduction"), [("hello_rnn", 0.05, "mean"), ("hello_rnn_cell", 0.1, "sum")]
)
def test_hello_becomes_ohlol_in_the_hidden_state_from_some_starts(name, lr, reduction):
    assert torch.equal(learn_hello(name, lr=lr, reduction=reduction, seed=2), OHLOL)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CharTagger(0), "num_chars must be at least 1, got 0"),
        (lambda: CharTagger(4, 0), "num_classes must be at least 1, got 0"),
        (lambda: CharTagger(embedding_dim=0), "embedding_dim must be at least 1, got 0"),
        (lambda: CharTagger(hidden_size=0), "hidden_size must be at least 1, got 0"),
        (lambda: CharTagger(cell="gated"), "cell must be one of rnn, gru, lstm, got 'gated'"),
        (
            lambda: CharTagger(head=None),
            "without a head the hidden state must have num_classes=4 features, got 8",
        ),
        (
            lambda: CharTagger(hidden_size=4, bidirectional=True, head=None),
            "without a head the hidden state must have num_classes=4 features, got 8",
        ),
        (lambda: StepwiseTagger(0), "num_chars must be at least 1, got 0"),
        (lambda: StepwiseTagger(4, 0), "num_classes must be at least 1, got 0"),
        (lambda: StepwiseTagger(hidden_size=0), "hidden_size must be at least 1, got 0"),
        (lambda: StepwiseTagger(cell="gated"), "cell must be one of rnn, gru, lstm, got 'gated'"),
        (
            lambda: StepwiseTagger(hidden_size=5),
            "without a head the hidden state must have num_classes=4 features, got 5",
        ),
    ],
)
def test_sizes_below_one_unknown_cells_and_a_missing_head_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_head_that_is_no_class():
    message = re.escape("head must be a class such as nn.Linear, got Linear(in_features=8,")
    with pytest.raises(TypeError, match=message):
        CharTagger(head=nn.Linear(8, 4))


@pytest.mark.parametrize("model", [CharTagger(), StepwiseTagger()], ids=lambda model: type(model).__name__)
class TestWrongInputs:
    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_ids_outside_the_vocabulary(self, model, wrong):
        batch = PaddedSequence(torch.tensor([[1, wrong], [1, 2]]), torch.tensor([2, 1]))
        for inputs in (batch, batch.pack(), batch.data):
            with pytest.raises(ValueError, match=rf"ids must lie in \[0, 4\), got {wrong}"):
                model(inputs)

    def test_ids_that_are_no_integers(self, model):
        with pytest.raises(TypeError, match=r"ids must be integers \(int64 or int32\), got torch.float32"):
            model(torch.zeros(2, 3))

    @pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (2, 0)], ids=str)
    def test_ids_must_have_two_dimensions_and_a_step(self, model, shape):
        message = f"{type(model).__name__} expects ids of shape (N, T) with T >= 1, got {shape}"
        with pytest.raises(ValueError, match=re.escape(message)):
            model(torch.zeros(shape, dtype=torch.int64))

    def test_a_string_is_refused(self, model):
        with pytest.raises(TypeError, match="inputs must be a tensor, PaddedSequence or PackedSequence"):
            model("hello")

    def test_lengths_beside_lengths_are_refused(self, model):
        with pytest.raises(TypeError, match="lengths go with a tensor; PaddedSequence has its own"):
            model(batch_of([[1]]), torch.tensor([1]))

    def test_a_length_beyond_the_end_is_refused(self, model):
        with pytest.raises(ValueError, match="lengths must lie between 1 and 5, got 6 at index 0"):
            model(HELLO, torch.tensor([6]))


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        ({"num_layers": 1}, r"Embedding\(4, 10\), num_layers=1 and bidirectional=False"),
        ({"embedding_dim": None}, "None, num_layers=2 and bidirectional=False"),
        (
            {"embedding_dim": None, "num_layers": 1, "bidirectional": True},
            "None, num_layers=1 and bidirectional=True",
        ),
    ],
)
def test_a_layer_that_no_cell_walks(arguments, got):
    with pytest.raises(
        ValueError, match=f"tagger must have no embedding, one layer and one direction, got {got}"
    ):
        StepwiseTagger().load_layer(CharTagger(**arguments))
