"""pad_collate and pack_collate: nothing lost, nothing mixed up, also in workers."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, unpack_sequence
from torch.testing import assert_close
from torch.utils.data import DataLoader

from practicezoo import PaddedSequence, pack_collate, pad_collate

both = pytest.mark.parametrize("collate", [pad_collate, pack_collate])
samples = st.lists(
    st.tuples(st.lists(st.integers(1, 99), min_size=1, max_size=9).map(torch.tensor), st.integers(0, 17)),
    min_size=1,
    max_size=8,
)


@given(samples)
def test_padding_keeps_sequences_targets_and_order(batch):
    inputs, targets = pad_collate(batch)
    assert isinstance(inputs, PaddedSequence)
    assert targets.tolist() == [target for _, target in batch]
    assert inputs.lengths.tolist() == [len(ids) for ids, _ in batch]
    assert inputs.lengths.device.type == "cpu"
    assert inputs.data.shape == (len(batch), max(len(ids) for ids, _ in batch))
    for row, (ids, _) in zip(inputs.data, batch, strict=True):
        assert row[: len(ids)].tolist() == ids.tolist()
        assert not row[len(ids) :].any()


@given(samples)
def test_packing_keeps_sequences_targets_and_order(batch):
    inputs, targets = pack_collate(batch)
    assert isinstance(inputs, PackedSequence)
    assert len(inputs.data) == sum(len(ids) for ids, _ in batch)  # no padding
    assert targets.tolist() == [target for _, target in batch]
    assert [ids.tolist() for ids in unpack_sequence(inputs)] == [ids.tolist() for ids, _ in batch]


@both
@given(batch=samples)
def test_inputs_stay_untouched(collate, batch):
    before = [ids.clone() for ids, _ in batch]
    inputs, _ = collate(batch)
    inputs.data.fill_(-1)
    assert_close([ids for ids, _ in batch], before)


@both
def test_sequences_of_features_and_targets_that_are_tensors(collate):
    batch = [(torch.ones(2, 3), torch.tensor([1.0, 2.0])), (torch.ones(4, 3), torch.tensor([3.0, 4.0]))]
    inputs, targets = collate(batch)
    assert_close(targets, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert inputs.data.sum() == 18
    assert inputs.data.dtype == torch.float32


@both
def test_float_targets(collate):
    _, targets = collate([(torch.ones(2), 0.5), (torch.ones(1), 1.5)])
    assert_close(targets, torch.tensor([0.5, 1.5]))


@both
@pytest.mark.parametrize("wrong", [2**63, -(2**70), "a", None])
def test_a_target_that_is_no_number_of_torchs(collate, wrong):
    with pytest.raises(TypeError, match=r"targets must be tensors, arrays or numbers, got .* at index 1"):
        collate([([1], 3), ([2, 3], wrong)])


@both
def test_truth_values_stay_what_they_are(collate):
    _, targets = collate([([1], True), ([2], False)])
    assert targets.dtype == torch.bool


@both
def test_an_empty_batch(collate):
    with pytest.raises(ValueError, match="batch must hold at least one sample, got none"):
        collate([])


@both
def test_an_empty_sequence(collate):
    batch = [(torch.tensor([1]), 0), (torch.tensor([], dtype=torch.int64), 0)]
    with pytest.raises(ValueError, match="at least one step, got an empty one at index 1"):
        collate(batch)


@both
def test_they_can_be_sent_to_a_worker(collate):
    assert pickle.loads(pickle.dumps(collate)) is collate  # noqa: S301


@pytest.mark.slow
@both
def test_they_work_in_a_spawned_worker(collate):
    dataset = [(torch.arange(1, length + 1), length) for length in (3, 1, 2)]
    loader: Any = DataLoader(
        dataset, batch_size=3, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    ((inputs, targets),) = loader
    assert targets.tolist() == [3, 1, 2]
    packed = inputs if collate is pack_collate else inputs.pack()
    assert [ids.tolist() for ids in unpack_sequence(packed)] == [[1, 2, 3], [1], [1, 2]]


def test_targets_of_steps_are_padded_with_what_losses_leave_out():
    batch = [(torch.tensor([5, 6, 7]), torch.tensor([1, 2, 3])), (torch.tensor([8]), torch.tensor([4]))]
    for collate in (pad_collate, pack_collate):
        assert collate(batch)[1].tolist() == [[1, 2, 3], [4, -100, -100]]


def test_arrays_and_lists_are_sequences():
    inputs, targets = pad_collate([(np.array([5, 6]), [1, 0]), ([7], [1])])
    assert (inputs.data.tolist(), targets.tolist()) == ([[5, 6], [7, 0]], [[1, 0], [1, -100]])


def test_a_sample_that_is_no_sequence_is_named():
    with pytest.raises(TypeError, match="sequences must be tensors, arrays or numbers, got 'Li' at index 1"):
        pad_collate([(torch.tensor([1]), 0), ("Li", 0)])
    message = r"one value for each step of their sequence, got shape \(2,\) for 3 steps at index 0"
    with pytest.raises(ValueError, match=message):
        pad_collate([(torch.arange(3), torch.ones(2)), (torch.arange(1), torch.ones(1))])
