"""LengthBucketBatchSampler: every sample once, in batches of similar length, reproducibly."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from practicezoo import LengthBucketBatchSampler, pad_collate

lengths_of_samples = st.lists(st.integers(1, 30), max_size=60)
settings_of_a_sampler = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 9), "pool_size": st.integers(1, 4), "shuffle": st.booleans()}
)


@given(lengths_of_samples, settings_of_a_sampler, st.integers(0, 3))
def test_every_sample_comes_once(lengths, settings, epoch):
    sampler = LengthBucketBatchSampler(lengths, **settings)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    sizes = [len(batch) for batch in batches]
    assert sum(size < settings["batch_size"] for size in sizes) <= 1
    assert max(sizes, default=0) <= settings["batch_size"]


@given(lengths_of_samples, settings_of_a_sampler)
def test_drop_last_drops_the_one_batch_that_is_not_full(lengths, settings):
    full = list(LengthBucketBatchSampler(lengths, **settings))
    sampler = LengthBucketBatchSampler(lengths, **settings, drop_last=True)
    assert list(sampler) == [batch for batch in full if len(batch) == settings["batch_size"]]
    assert len(list(sampler)) == len(sampler) == len(lengths) // settings["batch_size"]


@given(lengths_of_samples, settings_of_a_sampler)
def test_padding_share_by_brute_force(lengths, settings):
    sampler = LengthBucketBatchSampler(lengths, **settings)
    positions = padding = 0
    for batch in sampler:
        longest = max(lengths[index] for index in batch)
        positions += longest * len(batch)
        padding += sum(longest - lengths[index] for index in batch)
    assert sampler.padding_share() == pytest.approx(padding / positions if positions else 0.0)


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = torch.arange(40) % 7 + 1

    def batches(seed, epoch):
        sampler = LengthBucketBatchSampler(lengths, 4, seed=seed)
        sampler.set_epoch(epoch)
        torch.manual_seed(seed + 100 * epoch)  # the global generator plays no part
        return list(sampler)

    assert batches(0, 0) == batches(0, 0)
    assert batches(0, 1) == batches(0, 1)
    assert batches(0, 0) != batches(0, 1)
    assert batches(0, 0) != batches(5, 0)


def test_it_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    list(LengthBucketBatchSampler([1, 2, 3, 4], 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_in_turn_are_the_same_until_the_epoch_is_set():
    sampler = LengthBucketBatchSampler([3, 1, 2, 5, 4, 6], 2)
    assert list(sampler) == list(sampler)


def test_without_shuffling_batches_go_from_short_to_long():
    lengths = [5, 1, 4, 2, 3]
    assert list(LengthBucketBatchSampler(lengths, 2, shuffle=False)) == [[1, 3], [4, 2], [0]]


def test_a_pool_of_everything_pads_no_more_than_a_pool_of_one_batch():
    lengths = torch.randint(1, 30, (300,))
    shares = [LengthBucketBatchSampler(lengths, 10, pool_size=size).padding_share() for size in (1, 5, 30)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.1 < shares[0]


def test_it_is_a_batch_sampler_of_dataloader():
    dataset = [(torch.full((length,), length), length) for length in (5, 1, 4, 2, 3)]
    sampler = LengthBucketBatchSampler([length for _, length in dataset], 2)
    loader: Any = DataLoader(dataset, batch_sampler=sampler, collate_fn=pad_collate)
    assert len(loader) == 3
    seen = [inputs.lengths.tolist() for inputs, _ in loader]
    assert seen == [[dataset[index][1] for index in batch] for batch in sampler]
    assert sorted(length for batch in seen for length in batch) == [1, 2, 3, 4, 5]


@given(lengths_of_samples, settings_of_a_sampler, st.integers(1, 4), st.booleans())
def test_shards_together_are_the_batches_of_one_process(lengths, settings, num_replicas, drop_last):
    def sampler(**sharing):
        size = settings["batch_size"] * (1 if sharing else num_replicas)
        return LengthBucketBatchSampler(
            lengths, **settings | {"batch_size": size}, drop_last=drop_last, **sharing
        )

    shards = [sampler(num_replicas=num_replicas, rank=rank) for rank in range(num_replicas)]
    batches = [list(shard) for shard in shards]
    assert [len(shard) for shard in shards] == [len(own) for own in batches]
    joined = [sorted(itertools.chain(*parts)) for parts in itertools.zip_longest(*batches, fillvalue=[])]
    expected = [sorted(batch) for batch in sampler()]
    if settings["shuffle"]:  # equally many batches on every rank
        expected = [batch for batch in expected if len(batch) >= num_replicas]
        assert len({len(own) for own in batches}) == 1
    assert joined == expected
    for parts in zip(*batches, strict=False):
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("lengths", "arguments", "message"),
    [
        ([1, 2], {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ([1, 2], {"batch_size": 1, "pool_size": 0}, "pool_size must be at least 1, got 0"),
        ([1, 2], {"batch_size": 1, "num_replicas": 0}, "num_replicas must be at least 1, got 0"),
        ([1, 2], {"batch_size": 1, "num_replicas": 2, "rank": 2}, r"rank must lie in \[0, 2\), got 2"),
        ([[1, 2]], {"batch_size": 1}, r"lengths must be one-dimensional, got shape \(1, 2\)"),
    ],
)
def test_sizes_ranks_and_lengths_out_of_range_are_refused(lengths, arguments, message):
    with pytest.raises(ValueError, match=message):
        LengthBucketBatchSampler(lengths, **arguments)
