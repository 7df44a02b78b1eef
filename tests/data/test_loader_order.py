"""TensorLoader: the order that a seed and an epoch give, and what each rank gets of it."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed, nn
from torch.utils.data import DistributedSampler

from practicezoo import PaddedSequence, TensorLoader, fit

INPUTS, TARGETS = torch.arange(20.0).view(10, 2), torch.arange(10)


class TestSeed:
    def loader(self, **options):
        return TensorLoader(TARGETS, batch_size=3, shuffle=True, **options)

    def order(self, loader, epoch):
        loader.set_epoch(epoch)
        torch.manual_seed(epoch + 7)  # the global generator plays no part
        return torch.cat([rows for (rows,) in loader]).tolist()

    def test_the_order_is_a_function_of_seed_and_epoch(self):
        first, second = self.loader(seed=1), self.loader(seed=1)
        orders = [self.order(first, epoch) for epoch in range(4)]
        assert orders == [self.order(second, epoch) for epoch in range(4)]
        assert len({tuple(order) for order in orders}) == 4
        assert self.order(first, 0) == orders[0]
        assert self.order(self.loader(seed=5), 0) != orders[0]

    def test_it_is_the_order_of_distributed_sampler(self):
        sampler: Any = DistributedSampler(TARGETS, num_replicas=1, rank=0, seed=3)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            assert self.order(self.loader(seed=3), epoch) == list(sampler)

    def test_it_leaves_the_global_generator_alone(self):
        before = torch.get_rng_state()
        list(self.loader(seed=0))
        assert torch.equal(torch.get_rng_state(), before)

    def test_fit_sets_the_epoch(self):
        seen = []

        def note(inputs):
            seen.append(inputs.flatten().tolist())
            return inputs

        model = nn.Linear(1, 1)
        loader = TensorLoader(
            TARGETS.view(-1, 1).float(),
            torch.ones(10, 1),
            batch_size=10,
            shuffle=True,
            seed=0,
            transform=note,
        )
        fit(
            model,
            loader,
            criterion=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-4),
            epochs=3,
            progress=False,
        )
        expected = [torch.randperm(10, generator=torch.Generator().manual_seed(epoch)) for epoch in (1, 2, 3)]
        assert seen == [order.tolist() for order in expected]

    def test_the_epoch_changes_nothing_without_a_seed(self):
        loader = self.loader(generator=torch.Generator().manual_seed(0))
        expected = torch.randperm(10, generator=torch.Generator().manual_seed(0)).tolist()
        assert self.order(loader, 5) == expected


shards = st.fixed_dictionaries(
    {"num_rows": st.integers(0, 40), "batch_size": st.integers(1, 7), "num_replicas": st.integers(1, 6)}
)


class TestShards:
    """Several ranks share what one process would have."""

    def loaders(self, num_rows, batch_size, num_replicas, **options):
        rows = torch.arange(num_rows)
        names = PaddedSequence(rows.view(-1, 1).expand(-1, 3).contiguous(), rows % 3 + 1)
        options |= {"seed": 4} if options.get("shuffle") else {}
        ranks = [
            TensorLoader(rows, names, batch_size=batch_size, num_replicas=num_replicas, rank=rank, **options)
            for rank in range(num_replicas)
        ]
        return ranks, TensorLoader(rows, batch_size=batch_size * num_replicas, **options)

    def batches(self, loader):
        batches = [rows.tolist() for rows, *_ in loader]
        assert len(batches) == len(loader)
        return batches

    @given(shards)
    def test_every_row_comes_once_when_nothing_is_shuffled(self, sizes):
        ranks, _ = self.loaders(**sizes)
        batches = [self.batches(rank) for rank in ranks]
        rows = [row for rank in batches for batch in rank for row in batch]
        assert sorted(rows) == list(range(sizes["num_rows"]))
        assert max(map(len, batches)) - min(map(len, batches)) <= 1
        assert all(1 <= len(batch) <= sizes["batch_size"] for rank in batches for batch in rank)

    @given(shards)
    def test_all_ranks_take_equally_many_steps_when_shuffled(self, sizes):
        ranks, _ = self.loaders(**sizes, shuffle=True)
        batches = [self.batches(rank) for rank in ranks]
        assert len({len(rank) for rank in batches}) == 1
        rows = [row for rank in batches for batch in rank for row in batch]
        assert len(set(rows)) == len(rows)  # no row twice
        assert sizes["num_rows"] - len(rows) < sizes["num_replicas"]
        for step in zip(*batches, strict=True):
            lengths = [len(batch) for batch in step]
            assert 1 <= min(lengths) <= max(lengths) <= min(lengths) + 1

    @given(shards, st.booleans())
    def test_drop_last_leaves_full_batches_equally_many(self, sizes, shuffle):
        ranks, whole = self.loaders(**sizes, shuffle=shuffle, drop_last=True)
        for rank in ranks:
            assert len(rank) == len(whole)
            assert all(len(batch) == sizes["batch_size"] for batch in self.batches(rank))

    @given(shards, st.booleans(), st.booleans())
    def test_together_they_have_the_batches_of_one_process(self, sizes, shuffle, drop_last):
        ranks, whole = self.loaders(**sizes, shuffle=shuffle, drop_last=drop_last)
        steps = max(map(len, ranks))
        shares = [self.batches(rank) for rank in ranks]
        joined = [
            [row for share in shares for row in share[step : step + 1] for row in row]
            for step in range(steps)
        ]
        expected = self.batches(whole)
        if shuffle and len(expected) == steps + 1:
            assert len(expected.pop()) < sizes["num_replicas"]
        assert joined == expected

    def test_padded_sequences_are_shared_alike(self):
        ranks, _ = self.loaders(11, 2, 3, shuffle=True)
        for rank in ranks:
            for rows, names in rank:
                assert names.data[:, 0].tolist() == rows.tolist()
                assert names.lengths.tolist() == (rows % 3 + 1).tolist()

    def test_generators_in_the_same_state_do_as_well_as_a_seed(self):
        ranks = [
            TensorLoader(
                TARGETS,
                batch_size=2,
                shuffle=True,
                generator=torch.Generator().manual_seed(0),
                num_replicas=2,
                rank=rank,
            )
            for rank in range(2)
        ]
        for _ in range(3):  # epochs
            rows = [row for rank in ranks for batch in self.batches(rank) for row in batch]
            assert sorted(rows) == list(range(10))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_replicas": 0}, "num_replicas must be at least 1, got 0"),
            ({"rank": 1}, r"rank must lie in \[0, 1\), got 1"),
            ({"num_replicas": 2, "rank": 2}, r"rank must lie in \[0, 2\), got 2"),
            ({"num_replicas": 2, "rank": -1}, r"rank must lie in \[0, 2\), got -1"),
            (
                {"num_replicas": 2, "shuffle": True},
                r"seed \(or a generator in the same state on every rank\) must be given to shuffle over 2 ",
            ),
            (
                {"seed": 3, "generator": torch.Generator()},
                "seed and generator must not be given together, got seed 3 and a generator",
            ),
        ],
    )
    def test_replicas_ranks_and_seeds_that_do_not_fit_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            TensorLoader(TARGETS, batch_size=2, **options)


@pytest.mark.skipif(not distributed.is_available(), reason="needs a torch with distributed")
def test_in_one_of_several_processes_the_part_must_be_given():
    from torch.testing._internal.distributed.fake_pg import FakeStore

    loader = TensorLoader(INPUTS, TARGETS, batch_size=4)
    told = [TensorLoader(INPUTS, TARGETS, batch_size=4, num_replicas=number) for number in (1, 2)]
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        with pytest.raises(
            ValueError, match=r"num_replicas must be given to a TensorLoader in one of 2 .*, rank=0"
        ):
            next(iter(loader))
        assert [len(list(each)) for each in told] == [3, 2]
    finally:
        distributed.destroy_process_group()
