"""TemporalConvNet and SequenceClassifier: logits that depend on the sequence alone."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from practicezoo import (
    PaddedSequence,
    SequenceClassifier,
    SequenceEncoder,
    TemporalConvBlock,
    TemporalConvNet,
    feature_maps,
)
from support.sequences import draw_sequences, gradients_of, pad_sequences, weigh

EXACT = {"rtol": 0, "atol": 1e-12}
KINDS: dict[str, dict[str, Any]] = {
    "centred mean": {},
    "causal last": {"causal": True, "pooling": "last", "kernel_size": 2},
    "centred last": {"pooling": "last", "norm": nn.LayerNorm},
    "causal mean": {"causal": True, "norm": None},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind):
    """In evaluation mode, after a batch that its norms have seen."""
    torch.manual_seed(0)
    arguments = {"channels": (4, 5), "kernel_size": 3, "dtype": torch.float64, **KINDS[kind]}
    model = TemporalConvNet(3, 6, **arguments)
    model(torch.randn(5, 7, 3, dtype=torch.float64))
    return model.eval()


def encoder(*, bidirectional=True):
    return SequenceEncoder(3, 4, bidirectional=bidirectional, dtype=torch.float64)


def classify(encoder, **arguments):
    return SequenceClassifier(encoder, in_channels=3, num_classes=6, dtype=torch.float64, **arguments)


@every_kind
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    extra=st.integers(0, 3),
    garbage=st.sampled_from([0.0, -7.5, torch.inf, torch.nan]),
)
def test_every_form_gives_what_the_sequence_alone_gives(kind, lengths, extra, garbage):
    model = make(kind)
    sequences = draw_sequences(lengths)
    batch = pad_sequences(sequences, extra=extra, garbage=garbage)
    alone = torch.cat([model(sequence[None]) for sequence in sequences])
    expected = gradients_of(model, weigh(alone))
    for inputs in ((batch,), (batch.pack(),), (batch.data, batch.lengths)):
        logits = model(*inputs)
        assert_close(logits, alone, **EXACT)
        assert_close(gradients_of(model, weigh(logits)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_the_head_reads_the_mean_of_real_steps_or_the_last_of_them(pooling):
    torch.manual_seed(0)
    model = TemporalConvNet(3, 6, channels=(4, 5), pooling=pooling, dtype=torch.float64).eval()
    batch = pad_sequences(draw_sequences([2, 6, 1]), extra=1)
    outputs = model.encoder(batch).data
    rows = zip(outputs, batch.lengths, strict=True)
    expected = [row[:length].mean(dim=0) if pooling == "mean" else row[length - 1] for row, length in rows]
    assert_close(model.forward_features(batch), torch.stack(expected), **EXACT)
    assert_close(model(batch), model.head(torch.stack(expected)), **EXACT)


def test_the_dilation_doubles_from_block_to_block():
    model = TemporalConvNet(3, 5, channels=(4, 4, 4), kernel_size=3, causal=True)
    assert [block.dilation for block in model.encoder] == [1, 2, 4]
    assert model.receptive_field == 1 + 2 * 2 * (1 + 2 + 4)
    assert TemporalConvNet().receptive_field == 121  # three times MNIST-1D's signals


def test_its_blocks_are_temporal_convolutions():
    model = TemporalConvNet(3, 5, channels=(4, 6), causal=True, kernel_size=2, norm=None, dropout=0.1)
    blocks = nn.Sequential(
        TemporalConvBlock(3, 4, kernel_size=2, dropout=0.1),
        TemporalConvBlock(4, 6, kernel_size=2, dilation=2, dropout=0.1),
    )
    blocks.load_state_dict(model.encoder.state_dict())
    assert repr(blocks) == repr(model.encoder)
    inputs = torch.randn(2, 9, 3)
    assert torch.equal(blocks.eval()(inputs).mean(dim=1), model.eval().forward_features(inputs))


def test_feature_info_names_the_blocks():
    model = make("centred mean")
    infos = model.feature_info
    maps = feature_maps(model, torch.randn(2, 9, 3, dtype=torch.float64), [info.name for info in infos])
    assert [tuple(each.shape) for each in maps.values()] == [(2, 9, info.channels) for info in infos]
    assert {info.reduction for info in infos} == {1}


def test_a_causal_network_that_reads_the_last_step_tells_while_it_hears():
    model = make("causal last")
    inputs = torch.randn(1, 9, 3, dtype=torch.float64)
    outputs = model.head(model.encoder(inputs))[0]
    so_far = torch.cat([model(inputs[:, :num_steps]) for num_steps in range(1, 10)])
    assert_close(outputs, so_far, **EXACT)


def test_torch_fx_follows_it_without_lengths():
    model = make("centred mean")
    traced = torch.fx.symbolic_trace(model, concrete_args={"lengths": None})
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    assert torch.equal(traced(inputs, None), model(inputs))
    with pytest.raises(TypeError, match=r'lengths cannot be traced by torch.fx: give it concrete_args=\{"le'):
        torch.fx.symbolic_trace(model)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_last_of_a_recurrent_encoder_is_its_final_state(bidirectional):
    model = classify(encoder(bidirectional=bidirectional), pooling="last")
    batch = pad_sequences(draw_sequences([2, 6, 1]), extra=1, garbage=torch.nan)
    assert_close(model.forward_features(batch), model.encoder(batch).final_state, **EXACT)
    assert model.head.in_features == model.encoder.out_features


def test_mean_of_a_recurrent_encoder_is_over_real_steps():
    model = classify(encoder())
    sequences = draw_sequences([2, 6, 1])
    alone = torch.cat([model(sequence[None]) for sequence in sequences])
    batch = pad_sequences(sequences, extra=1, garbage=torch.nan)
    for inputs in (batch, batch.pack()):
        assert_close(model(inputs), alone, **EXACT)


class OneMore(nn.Module):
    """A user's encoder that leaves something at padding."""

    def forward(self, steps):
        return steps._replace(data=steps.data + 1) if isinstance(steps, PaddedSequence) else steps + 1


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_what_an_encoder_leaves_at_padding_is_not_read(pooling):
    model = classify(OneMore(), pooling=pooling)
    sequences = draw_sequences([2, 6, 1])
    alone = torch.cat([model(sequence[None]) for sequence in sequences])
    assert_close(model(pad_sequences(sequences, extra=1)), alone, **EXACT)


def test_deriving_the_heads_size_leaves_the_encoder_as_it_is():
    block = TemporalConvBlock(3, 4, norm=nn.BatchNorm1d)
    model = SequenceClassifier(block, in_channels=3)
    assert model.encoder is block
    assert block.training
    assert block.layers[0].norm.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"channels": ()}, r"channels must be one or more, got \(\)"),
        ({"channels": (4, 0)}, r"channels must be integers of at least 1, got \(4, 0\)"),
        ({"kernel_size": 4}, "kernel_size must be odd in a centred convolution, got 4"),
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"pooling": "max"}, "pooling must be one of mean, last, got 'max'"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"shortcut": "conv3x3"}, "shortcut must look at each step alone"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemporalConvNet(**arguments)


def test_a_wrong_encoder_is_refused():
    with pytest.raises(TypeError, match=r"encoder must be an nn\.Module, got 'gru'"):
        SequenceClassifier("gru")
    with pytest.raises(
        ValueError,
        match=r"encoder must take sequences of in_channels=2 values at each step, got TemporalConv",
    ):
        SequenceClassifier(TemporalConvBlock(3), in_channels=2)
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got -1"):
        SequenceClassifier(TemporalConvBlock(3), in_channels=3, dropout=-1)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (torch.tensor([3]), ValueError, "one entry for each of the 2 sequences"),
        (torch.tensor([3, 0]), ValueError, "between 1 and 3, got 0 at index 1"),
        (torch.tensor([4, 1]), ValueError, "between 1 and 3, got 4 at index 0"),
        ([3, 1], TypeError, "must be an int64 tensor, got list"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    with pytest.raises(error, match=message):
        TemporalConvNet(3)(torch.zeros(2, 3, 3), lengths)


def test_inputs_of_another_kind_are_refused():
    model = TemporalConvNet(3)
    batch = PaddedSequence(torch.zeros(2, 3, 3), torch.tensor([3, 1]))
    with pytest.raises(TypeError, match="lengths go with a tensor; PaddedSequence has its own"):
        model(batch, batch.lengths)
    with pytest.raises(
        ValueError, match=r"TemporalConvNet expects inputs of shape \(N, T, 3\), got \(2, 9, 4\)"
    ):
        model(torch.zeros(2, 9, 4))
    with pytest.raises(TypeError, match=r"TemporalConvNet expects floating-point inputs, got torch\.int64"):
        model(torch.zeros(2, 9, 3, dtype=torch.int64))
    with pytest.raises(TypeError, match="TemporalConvNet expects a tensor, got list"):
        model([[1.0]])
