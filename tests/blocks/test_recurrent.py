"""SequenceEncoder: a sequence's result depends on that sequence alone, and is torch's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.testing import assert_close

from practicezoo import PaddedSequence, SequenceEncoder

PEERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
every_kind = pytest.mark.parametrize(
    ("cell", "bidirectional"), [(cell, bidirectional) for cell in PEERS for bidirectional in (False, True)]
)
some_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=5)
EXACT = {"rtol": 0, "atol": 1e-12}


def make(cell, bidirectional):
    torch.manual_seed(0)
    return SequenceEncoder(3, 4, num_layers=2, bidirectional=bidirectional, cell=cell, dtype=torch.float64)


def draw(lengths):
    generator = torch.Generator().manual_seed(len(lengths))
    return [torch.randn(length, 3, dtype=torch.float64, generator=generator) for length in lengths]


def pad(sequences, *, extra=0, garbage=0.0):
    """A padded batch with ``garbage`` as its padding, ``extra`` steps longer than need be."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    data = torch.full((len(sequences), int(lengths.max()) + extra, 3), garbage, dtype=torch.float64)
    for row, sequence in zip(data, sequences, strict=True):
        row[: len(sequence)] = sequence
    return PaddedSequence(data, lengths)


def gradients(module, loss):
    module.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


def weigh(final_state):
    return (final_state * torch.arange(1.0, final_state.numel() + 1).view_as(final_state)).sum()


@every_kind
@given(
    lengths=some_lengths, extra=st.integers(0, 3), garbage=st.sampled_from([0.0, -7.5, torch.inf, torch.nan])
)
def test_packed_is_padded_is_alone(cell, bidirectional, lengths, extra, garbage):
    encoder = make(cell, bidirectional)
    sequences = draw(lengths)
    batch = pad(sequences, extra=extra, garbage=garbage)
    alone = [encoder(sequence[None]) for sequence in sequences]
    padded, packed = encoder(batch), encoder(batch.pack())

    final_states = torch.cat([encoded.final_state for encoded in alone])
    assert_close(padded.final_state, final_states, **EXACT)
    assert_close(packed.final_state, final_states, **EXACT)

    unpacked, _ = pad_packed_sequence(packed.outputs, batch_first=True)
    for row, length in enumerate(lengths):
        assert_close(padded.outputs.data[row, :length], alone[row].outputs[0], **EXACT)
        assert_close(unpacked[row, :length], alone[row].outputs[0], **EXACT)
        assert not padded.outputs.data[row, length:].any()

    expected = gradients(encoder, weigh(final_states))
    assert all(gradient.any() for gradient in expected.values()) or max(lengths) == 1  # no step back then
    assert_close(gradients(encoder, weigh(padded.final_state)), expected, rtol=1e-10, atol=1e-10)
    assert_close(gradients(encoder, weigh(packed.final_state)), expected, rtol=1e-10, atol=1e-10)


@every_kind
def test_the_gradient_of_the_input_is_zero_at_padding_only(cell, bidirectional):
    batch = pad(draw([3, 5, 1]), extra=2, garbage=torch.nan)
    batch.data.requires_grad_()
    encoder = make(cell, bidirectional)
    weigh(encoder(batch).final_state).backward()
    touched = batch.data.grad.any(dim=-1)  # (N, T)
    assert_close(touched, torch.arange(7) < batch.lengths[:, None])


@every_kind
@given(lengths=some_lengths, data=st.data())
def test_batch_mates_and_their_order_do_not_matter(cell, bidirectional, lengths, data):
    encoder = make(cell, bidirectional)
    sequences = draw(lengths)
    order = data.draw(st.permutations(range(len(lengths))))
    kept = data.draw(st.lists(st.sampled_from(order), min_size=1, unique=True))
    final_state = encoder(pad(sequences)).final_state
    others = encoder(pad([sequences[index] for index in kept], extra=1)).final_state
    assert_close(others, final_state[kept], **EXACT)


@every_kind
def test_dense_input_gives_what_torchs_layer_gives(cell, bidirectional):
    peer = PEERS[cell](3, 4, num_layers=2, bidirectional=bidirectional, batch_first=True, dtype=torch.float64)
    encoder = make(cell, bidirectional)
    encoder.rnn.load_state_dict(peer.state_dict())
    inputs = torch.randn(5, 6, 3, dtype=torch.float64)

    outputs, state = peer(inputs)
    hidden = state[0] if cell == "lstm" else state  # (layers * directions, N, hidden)
    expected = torch.cat([hidden[-2], hidden[-1]], dim=1) if bidirectional else hidden[-1]
    encoded = encoder(inputs)
    assert_close(encoded.outputs, outputs, rtol=0, atol=0)
    assert_close(encoded.final_state, expected, rtol=0, atol=0)
    assert_close(
        list(gradients(encoder, weigh(encoded.final_state)).values()),
        list(gradients(peer, weigh(expected)).values()),
        rtol=0,
        atol=0,
    )


@every_kind
def test_the_final_state_joins_the_last_real_step_and_the_first(cell, bidirectional):
    batch = pad(draw([2, 6, 1, 4]), extra=2)
    outputs, final_state = make(cell, bidirectional)(batch)
    forward = outputs.data[torch.arange(4), batch.lengths - 1, :4]
    backward = outputs.data[:, 0, 4:]
    assert_close(final_state, torch.cat([forward, backward], dim=1), **EXACT)


def test_outputs_come_in_the_form_of_the_input():
    encoder = make("gru", bidirectional=True)
    batch = pad(draw([2, 3]), extra=1)
    padded, packed, dense = encoder(batch).outputs, encoder(batch.pack()).outputs, encoder(batch.data).outputs
    assert isinstance(padded, PaddedSequence)
    assert padded.data.shape == (2, 4, 8)
    assert padded.lengths is batch.lengths
    assert isinstance(packed, PackedSequence)
    assert_close(packed.unsorted_indices, batch.pack().unsorted_indices)
    assert dense.shape == (2, 4, 8)


def test_inputs_stay_untouched():
    batch = pad(draw([2, 3]), extra=1, garbage=9.0)
    data, lengths = batch.data.clone(), batch.lengths.clone()
    make("gru", bidirectional=True)(batch)
    assert_close(batch.data, data, rtol=0, atol=0)
    assert_close(batch.lengths, lengths)


@pytest.mark.parametrize(("bidirectional", "out_features"), [(False, 4), (True, 8)])
def test_out_features(bidirectional, out_features):
    assert SequenceEncoder(3, 4, bidirectional=bidirectional).out_features == out_features


def test_dropout_acts_between_layers_in_training_only():
    encoder = SequenceEncoder(3, 4, num_layers=2, dropout=0.5)
    inputs = torch.randn(2, 5, 3)
    assert not torch.equal(encoder(inputs).final_state, encoder(inputs).final_state)
    encoder.eval()
    assert torch.equal(encoder(inputs).final_state, encoder(inputs).final_state)


def test_reset_parameters_draws_what_a_new_encoder_draws():
    torch.manual_seed(1)
    new = SequenceEncoder(3, 4).state_dict()
    encoder = SequenceEncoder(3, 4)
    torch.manual_seed(1)
    encoder.reset_parameters()
    assert_close(encoder.state_dict(), new, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size must be at least 1, got 0"),
        ({"hidden_size": -1}, "hidden_size must be at least 1, got -1"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"cell": "GRU"}, "cell must be one of rnn, gru, lstm, got 'GRU'"),
        ({"dropout": 1.0, "num_layers": 2}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"dropout": -0.1, "num_layers": 2}, r"dropout must lie in \[0, 1\), got -0.1"),
        ({"dropout": 0.5}, "needs num_layers >= 2, got dropout=0.5"),
    ],
)
def test_sizes_below_one_unknown_cells_and_dropout_outside_its_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceEncoder(**{"input_size": 3, "hidden_size": 4, **arguments})


@pytest.mark.parametrize("shape", [(2, 5, 4), (5, 3), (3,), (2, 2, 5, 3)])
def test_tensors_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"SequenceEncoder expects inputs of shape \(N, T, 3\), got \("):
        SequenceEncoder(3, 4)(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5)])
def test_padded_data_of_another_size_is_refused_with_the_shape_of_its_steps(shape):
    batch = PaddedSequence(torch.zeros(shape), torch.tensor([5, 2]))
    with pytest.raises(ValueError, match=r"SequenceEncoder expects inputs of shape \(steps, 3\), got \(7"):
        SequenceEncoder(3, 4)(batch)


def test_a_length_below_one_is_refused():
    with pytest.raises(ValueError, match="lengths must lie between 1 and 5, got 0 at index 1"):
        SequenceEncoder(3, 4)(PaddedSequence(torch.zeros(2, 5, 3), torch.tensor([5, 0])))


def test_an_input_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="SequenceEncoder expects a tensor, got list"):
        SequenceEncoder(3, 4)([[1.0, 2.0, 3.0]])
