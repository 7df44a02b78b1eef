"""PaddedSequence: what it carries, how it packs, and what it refuses."""

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_packed_sequence
from torch.testing import assert_close
from torch.utils._pytree import tree_map

from practicezoo import PaddedSequence

BATCH = PaddedSequence(torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0]]), torch.tensor([3, 1]))

batches = st.lists(st.integers(1, 9), min_size=1, max_size=8).map(
    lambda lengths: PaddedSequence(
        torch.arange(len(lengths) * 9 * 2).view(len(lengths), 9, 2), torch.tensor(lengths)
    )
)


def repickle(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what this test pickled itself


def same(first, second):
    return torch.equal(first.data, second.data) and torch.equal(first.lengths, second.lengths)


def test_it_is_a_named_pair_whose_len_is_the_number_of_sequences():
    data, lengths = BATCH
    assert data is BATCH.data
    assert lengths is BATCH.lengths
    assert len(BATCH) == 2
    assert len(PaddedSequence(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))) == 0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, repickle])
@pytest.mark.parametrize("size", [0, 1, 2])
def test_copies_are_equal(duplicate, size):
    batch = PaddedSequence(BATCH.data[:size], BATCH.lengths[:size])
    copied = duplicate(batch)
    assert type(copied) is PaddedSequence
    assert same(copied, batch)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_replace_and_pytrees_keep_the_type(size):
    batch = PaddedSequence(BATCH.data[:size], BATCH.lengths[:size])
    for doubled in (
        batch._replace(data=batch.data * 2, lengths=batch.lengths * 2),
        tree_map(lambda x: x * 2, batch),
    ):
        assert type(doubled) is PaddedSequence
        assert same(doubled, PaddedSequence(batch.data * 2, batch.lengths * 2))


def test_to_moves_the_data_and_leaves_the_lengths():
    moved = BATCH.to("meta")
    assert moved.data.device.type == "meta"
    assert moved.lengths is BATCH.lengths
    assert BATCH.data.device.type == "cpu"


@given(batches, st.data())
def test_rows_are_the_chosen_sequences_trimmed(batch, data):
    index = data.draw(st.lists(st.integers(0, len(batch) - 1), min_size=1, max_size=6))
    chosen = batch.rows(torch.tensor(index))
    assert chosen.lengths.tolist() == [int(batch.lengths[i]) for i in index]
    assert chosen.data.shape[1] == int(chosen.lengths.max())
    assert_close(chosen.data, torch.stack([batch.data[i, : chosen.data.shape[1]] for i in index]))


@given(batches, st.integers(0, 8), st.integers(0, 8))
def test_rows_of_a_slice_are_the_rows_of_its_numbers(batch, start, stop):
    numbers = torch.arange(len(batch))[start:stop]
    assert same(batch.rows(slice(start, stop)), batch.rows(numbers))


@given(batches)
def test_packing_loses_nothing_and_keeps_the_order(batch):
    data, lengths = pad_packed_sequence(batch.pack(), batch_first=True)
    assert_close(lengths, batch.lengths)
    for sequence, packed, length in zip(batch.data, data, lengths, strict=True):
        assert_close(packed[:length], sequence[:length])
        assert not packed[length:].any()


def test_packing_the_lectures_nine_names():
    batch = PaddedSequence(torch.zeros(9, 10), torch.tensor([7, 8, 10, 5, 6, 7, 7, 7, 6]))
    assert batch.pack().batch_sizes.tolist() == [9, 9, 9, 9, 9, 8, 6, 2, 1, 1]


WRONG_LENGTHS = {
    "count": (torch.tensor([3]), ValueError, r"one entry for each of the 2 sequences, got shape \(1,\)"),
    "rank": (
        torch.tensor([[3], [1]]),
        ValueError,
        r"one entry for each of the 2 sequences, got shape \(2, 1\)",
    ),
    "zero": (torch.tensor([3, 0]), ValueError, "lengths must lie between 1 and 4, got 0 at index 1"),
    "negative": (torch.tensor([-1, 3]), ValueError, "lengths must lie between 1 and 4, got -1 at index 0"),
    "too long": (torch.tensor([4, 5]), ValueError, "lengths must lie between 1 and 4, got 5 at index 1"),
    "floating": (torch.tensor([3.0, 1.0]), TypeError, "must be an int64 tensor, got torch.float32"),
    "int32": (torch.tensor([3, 1], dtype=torch.int32), TypeError, "must be an int64 tensor, got torch.int32"),
    "list": ([3, 1], TypeError, "must be an int64 tensor, got list"),
    "device": (torch.tensor([3, 1], device="meta"), TypeError, "must stay on the CPU, got device meta"),
}


@pytest.mark.parametrize(("lengths", "error", "message"), WRONG_LENGTHS.values(), ids=WRONG_LENGTHS)
def test_lengths_must_be_int64_on_the_cpu_one_for_each_row_and_within_the_steps(lengths, error, message):
    batch = PaddedSequence(BATCH.data, lengths)
    with pytest.raises(error, match=message):
        batch.pack()
    with pytest.raises(error, match=message):
        batch.check()


def test_right_lengths_pass_the_check():
    assert BATCH.check() is None
