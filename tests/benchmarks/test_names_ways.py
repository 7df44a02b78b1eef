"""Ways to run the network for names give the same results, whatever the names' lengths."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from benchmarks import names_dense, names_inference
from practicezoo.models import CharGRUClassifier
from practicezoo.sequences import PaddedSequence

LENGTHS = [[5, 1, 3, 2], [4, 4], [1]]


def padded(lengths):
    ids = torch.randint(1, 128, (len(lengths), max(lengths)))
    steps = torch.arange(ids.shape[1])
    return PaddedSequence(ids.where(steps < torch.tensor(lengths)[:, None], 0), torch.tensor(lengths))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_all_ways_to_train_compute_the_same(lengths):
    names_dense.check_equal(padded(lengths), num_classes=4)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_names_are_classified_alike(lengths):
    names_inference.check_equal(CharGRUClassifier().eval(), padded(lengths))


def test_a_way_with_other_logits_is_not_compared(monkeypatch):
    monkeypatch.setitem(names_inference.ARMS, "practicezoo", lambda model, names: model(names) + 1)
    with pytest.raises(AssertionError):
        names_inference.check_equal(CharGRUClassifier().eval(), padded([3, 1]))
    monkeypatch.setattr(
        "practicezoo.blocks.padded._take", lambda features, steps: features[:, : steps.shape[1]]
    )
    with pytest.raises(AssertionError):
        names_dense.check_equal(padded([3, 1]), num_classes=4)


def test_padding_that_is_read_changes_a_short_names_logits():
    model, names = CharGRUClassifier().eval(), padded([5, 1])
    assert isinstance(model.encoder.rnn, nn.GRU)
    read, unread = (names_inference.by_hand(model, names, packs=packs) for packs in (False, True))
    assert_close(read[0], unread[0])
    assert not torch.allclose(read[1], unread[1])
