"""TensorLoader: a DataLoader's batches, cut from whole tensors."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from practicezoo import PaddedSequence, TensorLoader

INPUTS, TARGETS = torch.arange(20.0).view(10, 2), torch.arange(10)
NAMES = PaddedSequence(torch.arange(1, 41).view(10, 4), torch.tensor([4, 1, 2, 3, 1, 1, 2, 4, 3, 2]))


@given(st.integers(0, 10), st.integers(1, 12), st.booleans())
def test_batches_are_those_of_a_dataloader(num_rows, batch_size, drop_last):
    inputs, targets = INPUTS[:num_rows], TARGETS[:num_rows]
    loader = TensorLoader(inputs, targets, batch_size=batch_size, drop_last=drop_last)
    peer = DataLoader(TensorDataset(inputs, targets), batch_size=batch_size, drop_last=drop_last)
    assert len(loader) == len(peer)
    assert_close(list(loader), [tuple(batch) for batch in peer], rtol=0, atol=0)


@given(st.integers(1, 12), st.booleans(), st.integers(0, 99))
def test_shuffled_batches_are_those_of_a_dataloader_in_the_same_order(batch_size, drop_last, seed):
    generator = torch.Generator().manual_seed(seed)
    loader = TensorLoader(
        INPUTS, TARGETS, batch_size=batch_size, shuffle=True, drop_last=drop_last, generator=generator
    )
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed)).tolist()
    peer = DataLoader(
        TensorDataset(INPUTS, TARGETS), batch_size=batch_size, sampler=order, drop_last=drop_last
    )
    assert_close(list(loader), [tuple(batch) for batch in peer], rtol=0, atol=0)


def test_each_epoch_has_its_own_order_and_every_row():
    loader = TensorLoader(TARGETS, batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(0))
    epochs = [torch.cat([rows for (rows,) in loader]).tolist() for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    loader.generator.manual_seed(0)
    assert torch.cat([rows for (rows,) in loader]).tolist() == epochs[0]


def test_without_a_generator_the_global_one_draws():
    loader = TensorLoader(TARGETS, batch_size=10, shuffle=True)
    torch.manual_seed(3)
    ((first,),) = loader
    torch.manual_seed(3)
    assert torch.equal(first, torch.randperm(10))


def test_without_shuffling_nothing_is_drawn_or_copied():
    before = torch.get_rng_state()
    first, *_ = TensorLoader(INPUTS, batch_size=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert first[0].data_ptr() == INPUTS.data_ptr()


def test_transform_gets_the_inputs_of_a_whole_batch():
    shapes = []

    def halve(inputs):
        shapes.append(tuple(inputs.shape))
        return inputs / 2

    loader = TensorLoader(INPUTS, TARGETS, batch_size=4, transform=halve)
    inputs, targets = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert shapes == [(4, 2), (4, 2), (2, 2)]
    assert_close(inputs, INPUTS / 2)
    assert_close(targets, TARGETS)


@given(batch_size=st.integers(1, 12), shuffle=st.booleans())
def test_padded_sequences_are_trimmed_batch_by_batch(batch_size, shuffle):
    seen = 0
    for names, targets in TensorLoader(NAMES, TARGETS, batch_size=batch_size, shuffle=shuffle):
        assert isinstance(names, PaddedSequence)
        assert_close(names.lengths, NAMES.lengths[targets])
        longest = int(names.lengths.max())
        assert_close(names.data, NAMES.data[targets, :longest])
        seen += len(names)
    assert seen == 10


def test_tensors_move_once_and_lengths_stay():
    loader = TensorLoader(NAMES, TARGETS, batch_size=4, device="meta")
    assert [tensor.data.device.type for tensor in loader.tensors] == ["meta", "meta"]
    for names, targets in loader:
        assert names.data.device.type == targets.device.type == "meta"
        assert names.lengths.device.type == "cpu"
    assert NAMES.data.device.type == "cpu"


@pytest.mark.gpu
def test_batches_are_cut_on_the_gpu(cuda):
    loader = TensorLoader(
        NAMES, TARGETS, batch_size=4, shuffle=True, device=cuda, generator=torch.Generator().manual_seed(0)
    )
    on_cpu = TensorLoader(
        NAMES, TARGETS, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(0)
    )
    for (names, targets), (expected_names, expected_targets) in zip(loader, on_cpu, strict=True):
        assert names.data.is_cuda
        assert targets.is_cuda
        assert not names.lengths.is_cuda
        assert_close(names.data.cpu(), expected_names.data)
        assert_close(targets.cpu(), expected_targets)


@pytest.mark.parametrize(
    ("tensors", "batch_size", "message"),
    [
        ((), 1, "tensors must hold at least one tensor, got none"),
        ((INPUTS, TARGETS[:9]), 1, r"tensors must have the same number of rows, got \[10, 9\]"),
        ((NAMES, TARGETS[:9]), 1, r"tensors must have the same number of rows, got \[10, 9\]"),
        ((INPUTS,), 0, "batch_size must be at least 1, got 0"),
    ],
)
def test_wrong_arguments(tensors, batch_size, message):
    with pytest.raises(ValueError, match=message):
        TensorLoader(*tensors, batch_size=batch_size)
