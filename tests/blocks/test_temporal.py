"""TemporalConvBlock: causal or centred, torch's own convolutions, and deaf to padding."""

import copy
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence
from torch.testing import assert_close

from practicezoo import PaddedSequence, TemporalConvBlock
from practicezoo.blocks import ExclusiveGate
from support.sequences import draw_sequences, gradients_of, pad_sequences, weigh

EXACT = {"rtol": 0, "atol": 1e-12}
KINDS: dict[str, dict[str, Any]] = {
    "causal": {"kernel_size": 2, "dilation": 2},
    "centred": {"causal": False},
    "batch norm": {"causal": False, "norm": nn.BatchNorm1d},
    "layer norm": {"dilation": 3, "norm": nn.LayerNorm},
    "gate": {"causal": False, "shortcut": "exclusive_gate", "activation": nn.Sigmoid},  # sigmoid(0) is not 0
}
every_kind = pytest.mark.parametrize("kind", KINDS)
some_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def make(kind, **arguments):
    torch.manual_seed(0)
    return TemporalConvBlock(3, 4, dtype=torch.float64, **{**KINDS.get(kind, {}), **arguments})


def trained(kind, **arguments):
    """In evaluation mode, after a batch that its norms have seen."""
    block = make(kind, **arguments)
    block(torch.randn(5, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 + 1)
    return block.eval()


def reference(block, inputs, *, causal, kernel_size, dilation):
    """The block by hand: torch's convolutions with its own padding, cut at the end if causal."""
    reach = dilation * (kernel_size - 1)
    features = inputs.transpose(1, 2)
    residual = features
    for layer in block.layers:
        settings = {"dilation": dilation, "padding": reach if causal else reach // 2}
        residual = F.conv1d(residual, layer.conv.weight, layer.conv.bias, **settings)
        residual = residual[..., : inputs.shape[1]].relu()
    projection = block.shortcut.projection.conv
    shortcut = F.conv1d(features, projection.weight.squeeze(2), projection.bias)
    return (shortcut + residual).relu().transpose(1, 2)


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "centred"])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 4), (5, 2)])
def test_it_is_two_of_torchs_convolutions_and_a_shortcut(causal, kernel_size, dilation):
    settings = {"causal": causal, "kernel_size": kernel_size, "dilation": dilation}
    block = make("", **settings)
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    outputs, expected = block(inputs), reference(block, inputs, **settings)
    assert_close(outputs, expected, **EXACT)
    assert_close(gradients_of(block, weigh(outputs)), gradients_of(block, weigh(expected)), **EXACT)


def test_an_even_kernel_of_a_causal_block_reads_the_step_and_those_before():
    settings = {"causal": True, "kernel_size": 4, "dilation": 2}
    block = make("", **settings)
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    assert_close(block(inputs), reference(block, inputs, **settings), **EXACT)


def test_norms_stand_between_convolution_and_activation():
    block = make("batch norm", causal=True).train()
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    features = inputs.transpose(1, 2)
    for layer in block.layers:
        norm = nn.BatchNorm1d(4, dtype=torch.float64)
        features = norm(F.conv1d(F.pad(features, (2, 0)), layer.conv.weight)).relu()
    projection = block.shortcut.projection.conv
    shortcut = F.conv1d(inputs.transpose(1, 2), projection.weight.squeeze(2), projection.bias)
    assert_close(block(inputs), (features + shortcut).relu().transpose(1, 2), **EXACT)
    assert block.layers[0].conv.bias is None
    assert_close(block.layers[1].norm.running_mean, norm.running_mean, **EXACT)


@every_kind
@given(
    lengths=some_lengths, extra=st.integers(0, 3), garbage=st.sampled_from([0.0, -7.5, torch.inf, torch.nan])
)
def test_packed_is_padded_is_alone(kind, lengths, extra, garbage):
    block = trained(kind)
    sequences = draw_sequences(lengths)
    batch = pad_sequences(sequences, extra=extra, garbage=garbage)
    alone = [block(sequence[None])[0] for sequence in sequences]
    padded, packed = block(batch), block(batch.pack())
    unpacked, _ = pad_packed_sequence(packed, batch_first=True)
    for row, length in enumerate(lengths):
        assert_close(padded.data[row, :length], alone[row], **EXACT)
        assert_close(unpacked[row, :length], alone[row], **EXACT)
        assert not padded.data[row, length:].any()

    expected = gradients_of(block, sum(weigh(outputs) for outputs in alone))
    for outputs in (padded.data, unpacked):
        loss = sum(weigh(row[:length]) for row, length in zip(outputs, lengths, strict=True))
        assert_close(gradients_of(block, loss), expected, rtol=1e-10, atol=1e-10)


@given(lengths=st.lists(st.integers(1, 6), min_size=2, max_size=4), garbage=st.sampled_from([5.0, torch.nan]))
def test_batch_norm_in_training_counts_real_steps_only(lengths, garbage):
    # a kernel of one step, so that all sequences in a row are what they are side by side
    block = make("batch norm", kernel_size=1)
    other = copy.deepcopy(block)
    sequences = draw_sequences(lengths)
    outputs = block(pad_sequences(sequences, extra=2, garbage=garbage))
    expected = other(torch.cat(sequences)[None])[0]
    real = torch.cat([row[:length] for row, length in zip(outputs.data, lengths, strict=True)])
    assert_close(real, expected, **EXACT)
    assert_close(dict(block.named_buffers()), dict(other.named_buffers()), **EXACT)
    assert_close(gradients_of(block, weigh(real)), gradients_of(other, weigh(expected)), rtol=1e-9, atol=1e-9)


@every_kind
def test_more_padding_changes_nothing_in_training_mode(kind):
    results = []
    for extra, garbage in ((0, 0.0), (4, torch.nan)):
        block = make(kind)
        batch = pad_sequences(draw_sequences([5, 2, 4]), extra=extra, garbage=garbage)
        outputs = block(batch).data[:, :5]
        results.append([outputs.detach(), gradients_of(block, weigh(outputs)), dict(block.named_buffers())])
    assert_close(results[1], results[0], rtol=1e-10, atol=1e-10)


@every_kind
def test_the_gradient_of_the_input_is_zero_at_padding_only(kind):
    batch = pad_sequences(draw_sequences([3, 5, 1]), extra=2, garbage=torch.nan)
    batch.data.requires_grad_()
    weigh(trained(kind, activation=nn.Softplus)(batch).data).backward()  # no unit is dead
    assert_close(batch.data.grad.any(dim=-1), torch.arange(7) < batch.lengths[:, None])


@pytest.mark.parametrize("kind", ["causal", "layer norm"])
def test_a_causal_output_depends_on_no_later_step(kind):
    block = trained(kind)
    inputs = torch.randn(2, 20, 3, dtype=torch.float64)
    changed = inputs.clone()
    changed[:, 8:] = torch.nan
    assert_close(block(changed)[:, :8], block(inputs)[:, :8], rtol=0, atol=0)
    assert block(changed)[:, 8:].isnan().any()


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "centred"])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 5), (3, 1), (3, 2), (5, 1)])
def test_the_receptive_field_is_what_an_output_depends_on(causal, kernel_size, dilation):
    settings = {"kernel_size": kernel_size, "dilation": dilation, "causal": causal}
    block = make("", activation=nn.Softplus, **settings)
    inputs = torch.randn(1, 41, 3, dtype=torch.float64, requires_grad=True)
    block(inputs)[0, 20].sum().backward()
    places = inputs.grad[0].any(dim=-1).nonzero().flatten()
    first, last = int(places.min()), int(places.max())
    assert last - first + 1 == block.receptive_field
    assert (first, last) == ((20 - block.receptive_field + 1, 20) if causal else (first, 40 - first))


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_stay_in_their_order(enforce_sorted):
    block = trained("centred")
    sequences = draw_sequences([4, 4, 2] if enforce_sorted else [2, 4, 1, 4])
    packed = pack_sequence(sequences, enforce_sorted=enforce_sorted)
    outputs = block(packed)
    assert isinstance(outputs, PackedSequence)
    assert outputs.batch_sizes is packed.batch_sizes
    assert outputs.sorted_indices is packed.sorted_indices
    expected = pack_sequence([block(each[None])[0] for each in sequences], enforce_sorted=enforce_sorted)
    assert_close(outputs.data, expected.data, **EXACT)


def test_outputs_come_in_the_form_of_the_input_and_can_be_chained():
    batch = pad_sequences(draw_sequences([2, 3]), extra=1)
    blocks = nn.Sequential(TemporalConvBlock(3, 4), TemporalConvBlock(4, dilation=2)).double()
    outputs = blocks(batch)
    assert outputs.data.shape == (2, 4, 4)
    assert outputs.lengths is batch.lengths
    assert blocks(batch.data).shape == (2, 4, 4)
    assert_close(blocks(batch.pack()).data, outputs.pack().data, **EXACT)


def test_a_shortcut_of_its_own():
    gate = ExclusiveGate(3, initial_bias=50.0, dtype=torch.float64)  # open: the residual alone
    block = TemporalConvBlock(3, shortcut=gate, dtype=torch.float64)
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    residual = inputs.transpose(1, 2)
    for layer in block.layers:
        residual = layer(residual, None)
    assert_close(block(inputs), residual.transpose(1, 2), rtol=0, atol=1e-9)


def test_dropout_acts_in_training_only():
    block = TemporalConvBlock(3, 16, dropout=0.5)
    inputs = torch.randn(2, 6, 3)
    assert not torch.equal(block(inputs), block(inputs))
    block.eval()
    assert torch.equal(block(inputs), block(inputs))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"out_channels": 0}, "out_channels must be at least 1, got 0"),
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"dilation": 0}, "dilation must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"kernel_size": 4, "causal": False}, "kernel_size must be odd in a centred convolution, got 4"),
        ({"shortcut": "conv3x3"}, 'shortcut must look at each step alone, got "conv3x3"'),
        ({"shortcut": "straight"}, "shortcut must be one of auto, .*, got 'straight'"),
        ({"out_channels": 5, "shortcut": "identity"}, 'shortcut "identity" needs equal channels'),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemporalConvBlock(**{"in_channels": 3, **arguments})


@pytest.mark.parametrize("shape", [(2, 5, 4), (5, 3), (3,), (2, 2, 5, 3)], ids=str)
def test_inputs_of_another_shape_are_refused(shape):
    message = re.escape(f"TemporalConvBlock expects inputs of shape (N, T, 3), got {shape}")
    with pytest.raises(ValueError, match=message):
        TemporalConvBlock(3)(torch.zeros(shape))
    with pytest.raises(ValueError, match=message):
        TemporalConvBlock(3)(PaddedSequence(torch.zeros(shape), torch.tensor([3, 2])))


def test_packed_steps_of_another_size_are_refused():
    packed = pack_sequence([torch.zeros(3, 4), torch.zeros(2, 4)])
    with pytest.raises(
        ValueError, match=r"TemporalConvBlock expects inputs of shape \(N, T, 3\), got \(2, 3, 4\)"
    ):
        TemporalConvBlock(3)(packed)


def test_sequences_without_a_step_are_refused():
    with pytest.raises(ValueError, match=r"expects T >= 1 steps, got inputs of shape \(2, 0, 3\)"):
        TemporalConvBlock(3)(torch.zeros(2, 0, 3))


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (torch.tensor([3]), ValueError, "one entry for each of the 2 sequences"),
        (torch.tensor([3, 0]), ValueError, "between 1 and 3, got 0 at index 1"),
        (torch.tensor([4, 1]), ValueError, "between 1 and 3, got 4 at index 0"),
        (torch.tensor([3.0, 1.0]), TypeError, "must be an int64 tensor, got torch.float32"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    with pytest.raises(error, match=message):
        TemporalConvBlock(3)(PaddedSequence(torch.zeros(2, 3, 3), lengths))


def test_inputs_that_are_no_floating_point_tensor_are_refused():
    with pytest.raises(TypeError, match=r"expects floating-point inputs, got torch\.int64: scale them first"):
        TemporalConvBlock(3)(torch.ones(2, 5, 3, dtype=torch.int64))
    with pytest.raises(TypeError, match="TemporalConvBlock expects a tensor, got list"):
        TemporalConvBlock(3)([[1.0, 2.0, 3.0]])


def test_norms_that_average_over_the_steps_are_refused():
    with pytest.raises(TypeError, match=r"norm must look at each step alone, got <class .*InstanceNorm1d"):
        TemporalConvBlock(3, norm=nn.InstanceNorm1d)


def test_instances_in_the_place_of_classes_are_refused():
    for arguments in ({"norm": nn.BatchNorm1d(3)}, {"activation": nn.ReLU()}):
        (name,) = arguments
        with pytest.raises(TypeError, match=f"{name} must be a class such as"):
            TemporalConvBlock(3, **arguments)
