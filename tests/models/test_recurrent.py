"""CharGRUClassifier: the course's numbers, and logits that depend on the text alone."""

import copy
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from practicezoo import CharGRUClassifier, CharVocab, PaddedSequence, pad_collate, predict

EXACT = {"rtol": 0, "atol": 1e-12}
texts = st.lists(
    st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1, max_size=9), min_size=1, max_size=5
)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def make(**arguments):
    torch.manual_seed(0)
    small = {"embedding_dim": 5, "hidden_size": 4, "dtype": torch.float64}
    return CharGRUClassifier(128, 6, **{**small, **arguments})


def encode(*names):
    return pad_collate([(CharVocab().encode(name), 0) for name in names])[0]


def spoil(batch, *, extra, garbage):
    """The batch with more padding, all of it ``garbage``."""
    data = torch.cat([batch.data, batch.data.new_zeros(len(batch), extra)], dim=1)
    padding = torch.arange(data.shape[1]) >= batch.lengths[:, None]
    return PaddedSequence(data.masked_fill(padding, garbage), batch.lengths)


@pytest.mark.parametrize(
    ("arguments", "num_parameters"),
    [
        ({}, 318_818),
        ({"bidirectional": False}, 135_818),
        ({"cell": "lstm"}, 419_618),
        ({"cell": "rnn"}, 117_218),
    ],
)
def test_the_courses_parameter_counts(arguments, num_parameters):
    assert count(CharGRUClassifier(**arguments, device="meta")) == num_parameters


def test_where_the_parameters_are():
    model = CharGRUClassifier(device="meta")
    assert [count(part) for part in (model.embedding, model.encoder, model.head)] == [12_800, 302_400, 3_618]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@given(names=texts, extra=st.integers(0, 3), garbage=st.sampled_from([0, 65, -1, 10**6]))
def test_every_form_gives_what_the_text_alone_gives(cell, names, extra, garbage):
    model = make(cell=cell)
    batch = spoil(encode(*names), extra=extra, garbage=garbage)
    alone = torch.cat([model(CharVocab().encode(name)[None]) for name in names])
    weights = torch.arange(1.0, alone.numel() + 1).view_as(alone)
    alone.mul(weights).sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    for inputs in [(batch,), (batch.pack(),), (batch.data, batch.lengths)]:
        model.zero_grad()
        logits = model(*inputs)
        assert_close(logits, alone, **EXACT)
        logits.mul(weights).sum().backward()
        actual = [parameter.grad for parameter in model.parameters()]
        assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@given(names=texts, data=st.data())
def test_logits_come_in_the_callers_order(names, data):
    model = make()
    order = data.draw(st.permutations(range(len(names))))
    logits = model(encode(*names))
    assert_close(model(encode(*(names[index] for index in order))), logits[list(order)], **EXACT)


def test_in_a_plain_tensor_every_position_counts():
    model = make()
    short, long = torch.tensor([[65, 66]]), torch.tensor([[65, 66, 0]])
    assert not torch.allclose(model(short), model(long))
    assert_close(model(long), model(long, torch.tensor([3])), **EXACT)
    assert_close(model(short), model(long, torch.tensor([2])), **EXACT)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("padding_idx", [0, 7])
def test_the_row_of_padding_stays_zero(optimizer, padding_idx):
    model = make(padding_idx=padding_idx)
    steps = optimizer(model.parameters(), lr=0.1)
    before = model.embedding.weight.detach().clone()
    inputs = torch.tensor([[65, 7, 0], [66, 67, 68]])  # padding ids among the positions that count
    for _ in range(3):
        steps.zero_grad()
        nn.functional.cross_entropy(model(inputs), torch.tensor([0, 1])).backward()
        steps.step()
    assert not model.embedding.weight[padding_idx].any()
    assert not torch.equal(model.embedding.weight[65], before[65])


def test_no_gradient_reaches_characters_that_stand_in_the_padding():
    model = make()
    model(PaddedSequence(torch.tensor([[65, 66, 67]]), torch.tensor([2]))).sum().backward()
    assert model.embedding.weight.grad.any(dim=1).nonzero().flatten().tolist() == [65, 66]


def test_the_head_reads_the_features():
    model = make().eval()
    batch = encode("Yamamoto", "Ng")
    features = model.forward_features(batch)
    assert features.shape == (2, model.encoder.out_features)
    assert_close(model.head(features), model(batch), **EXACT)


def test_dropout_acts_in_training_only():
    batch = encode("Yamamoto", "Ng")
    model = make(dropout=0.5, num_layers=1)
    assert not torch.equal(model(batch), model(batch))
    model.eval()
    assert_close(model(batch), make(num_layers=1).eval()(batch), **EXACT)


def test_int32_ids_are_ids():
    model = make()
    batch = encode("Yamamoto", "Ng")
    assert_close(model(PaddedSequence(batch.data.int(), batch.lengths)), model(batch), **EXACT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_chars": 0}, "num_chars must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"embedding_dim": 0}, "embedding_dim must be at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"padding_idx": 128}, r"padding_idx must lie in \[0, 128\), got 128"),
        ({"padding_idx": -1}, r"padding_idx must lie in \[0, 128\), got -1"),
        ({"cell": "gated"}, "cell must be one of rnn, gru, lstm, got 'gated'"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"dropout": 1.5, "num_layers": 1}, "dropout"),
    ],
)
def test_sizes_padding_idx_cell_and_dropout_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharGRUClassifier(**arguments, device="meta")


@pytest.mark.parametrize("wrong", [-1, 128, 0x3B1])
def test_ids_outside_the_vocabulary(wrong):
    ids, lengths = torch.tensor([[65, 66], [65, wrong]]), torch.tensor([1, 2])
    message = rf"ids must lie in \[0, 128\), got {wrong}"
    for inputs in [
        (ids,),
        (ids, lengths),
        (PaddedSequence(ids, lengths),),
        (PaddedSequence(ids, lengths).pack(),),
    ]:
        with pytest.raises(ValueError, match=message):
            make()(*inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.uint8, torch.complex64])
def test_ids_that_are_no_integers(dtype):
    ids = torch.ones(2, 3).to(dtype)
    for inputs in (ids, PaddedSequence(ids, torch.tensor([3, 1]))):
        with pytest.raises(TypeError, match=rf"ids must be integers \(int64 or int32\), got {dtype}"):
            make()(inputs)


def test_lengths_beside_an_input_that_has_its_own():
    batch = encode("Yamamoto", "Ng")
    for inputs in (batch, batch.pack()):
        with pytest.raises(TypeError, match=f"lengths go with a tensor; {type(inputs).__name__} has its own"):
            make()(inputs, batch.lengths)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (torch.tensor([3]), ValueError, "one entry for each of the 2 sequences"),
        (torch.tensor([3, 0]), ValueError, "between 1 and 3, got 0 at index 1"),
        (torch.tensor([4, 1]), ValueError, "between 1 and 3, got 4 at index 0"),
        (torch.tensor([3.0, 1.0]), TypeError, "must be an int64 tensor, got torch.float32"),
        (torch.tensor([3, 1], device="meta"), TypeError, "must stay on the CPU, got device meta"),
        ([3, 1], TypeError, "must be an int64 tensor, got list"),
    ],
)
def test_lengths_must_be_int64_on_the_cpu_and_within_the_steps(lengths, error, message):
    with pytest.raises(error, match=message):
        make()(torch.ones(2, 3, dtype=torch.int64), lengths)


@pytest.mark.parametrize(
    ("ids", "shape"),
    [(torch.ones(3).long(), "(3,)"), (torch.ones(2, 0).long(), "(2, 0)")],
    ids=["1-D", "no steps"],
)
def test_ids_of_another_shape(ids, shape):
    with pytest.raises(
        ValueError, match=re.escape(f"CharGRUClassifier expects ids of shape (N, T) with T >= 1, got {shape}")
    ):
        CharGRUClassifier()(ids)


def test_ids_that_are_no_tensor():
    with pytest.raises(
        TypeError, match="inputs must be a tensor, PaddedSequence or PackedSequence, got list"
    ):
        CharGRUClassifier()([[1, 2]])


def test_lengths_with_one_dimensional_ids():
    with pytest.raises(ValueError, match=r"CharGRUClassifier expects ids of shape \(N, T\)"):
        CharGRUClassifier()(torch.ones(3).long(), torch.tensor([3]))


@pytest.mark.gpu
def test_a_plain_tuple_of_ids_and_lengths_trains_on_the_gpu(cuda):
    ids, lengths = encode("Yamamoto", "Ng")
    on_cpu = make()
    model = copy.deepcopy(on_cpu).to(cuda)
    outputs = predict(model, [((ids, lengths), torch.tensor([0, 1]))])
    assert_close(outputs.cpu(), on_cpu.eval()(ids, lengths))
