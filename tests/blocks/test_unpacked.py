"""Sequences that are kept padded: the same as packed ones, whatever stands behind their ends."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import PaddedSequence, SequenceEncoder
from practicezoo.sequences import are_kept_padded, keep_padded
from support.sequences import draw_sequences, pad_sequences, weigh

LENGTHS = [5, 2, 1, 4, 2]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("garbage", [0.0, float("nan"), float("inf")])
def test_outputs_final_state_and_gradients(cell, bidirectional, num_layers, garbage):
    encoder = SequenceEncoder(3, 4, cell=cell, bidirectional=bidirectional, num_layers=num_layers).double()
    data, lengths = pad_sequences(draw_sequences(LENGTHS), extra=2, garbage=garbage)
    data.requires_grad_()

    def computed():
        outputs, final_state = encoder(PaddedSequence(data, lengths))
        loss = weigh(outputs.data) + weigh(final_state)
        return [outputs.data, final_state, *torch.autograd.grad(loss, [data, *encoder.parameters()])]

    packed = computed()
    with keep_padded():
        padded = computed()
    assert_close(padded, packed)


def test_only_within():
    assert not are_kept_padded()
    with keep_padded():
        with keep_padded():
            pass
        assert are_kept_padded()
    assert not are_kept_padded()
    with pytest.raises(RuntimeError), keep_padded():
        raise RuntimeError
    assert not are_kept_padded()


def test_lengths_may_be_elsewhere_only_within():
    sequences = PaddedSequence(torch.zeros(2, 3), torch.tensor([3, 1], device="meta"))
    with pytest.raises(TypeError, match="lengths must stay on the CPU, got device meta"):
        sequences.pack()
    encoder = SequenceEncoder(4, 5, device="meta")
    with keep_padded():
        outputs, final_state = encoder(PaddedSequence(torch.zeros(2, 3, 4, device="meta"), sequences.lengths))
    assert outputs.data.shape == (2, 3, 5)
    assert final_state.shape == (2, 5)


def test_an_embedding_sees_no_padding():
    """Neither its gradients, scaled by how often an id comes, nor ids that are none."""
    encoder, embedding = SequenceEncoder(3, 4), nn.Embedding(5, 3, scale_grad_by_freq=True)
    ids, lengths = torch.tensor([[1, 2, 1], [3, 0, 0]]), torch.tensor([3, 1])
    gradients = []
    for behind in (0, 77):
        padded = PaddedSequence(ids.masked_fill(torch.arange(3) >= lengths[:, None], behind), lengths)
        for sequences in (padded, padded.pack()):
            loss = weigh(encoder(sequences, embedding).final_state)
            gradients.append(torch.autograd.grad(loss, embedding.weight)[0])
    for gradient in gradients[1:]:
        assert_close(gradient, gradients[0])
