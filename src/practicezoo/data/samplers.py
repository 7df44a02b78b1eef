"""Batches of similar length."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from practicezoo.arguments import check_count
from practicezoo.data.shard import Shard

__all__ = ["LengthBucketBatchSampler"]


class LengthBucketBatchSampler(Sampler[list[int]]):
    """Batches of samples of similar length, so that little padding is needed.

    The samples are shuffled, cut into pools of ``pool_size`` batches, sorted by length within each
    pool and cut into batches, whose order is shuffled again. Every sample comes exactly once an epoch
    (except the rest that ``drop_last`` drops). The order is a function of the seed and the epoch alone.

    Over several processes (``num_replicas``), each takes its part of every batch: the parts together are
    the batch that one process with ``num_replicas * batch_size`` samples would have. As with
    :class:`TensorLoader`, a rest of fewer samples than processes is left out when shuffling, so that all
    ranks take equally many steps, and given out otherwise.

    Args:
        lengths: the length of each sample.
        batch_size: samples in a batch, on each rank.
        shuffle: whether to shuffle; without it, batches go from short to long.
        drop_last: whether to drop the one batch that is not full.
        pool_size: batches in a pool: more means less padding, fewer a more random order.
        seed: seeds the shuffling.
        num_replicas: processes that share the data.
        rank: which of them this is, from 0.

    Raises:
        ValueError: if a size or ``num_replicas`` is below 1, ``rank`` is not below ``num_replicas``, or
            ``lengths`` is not one-dimensional.

    Example:
        >>> sampler = LengthBucketBatchSampler([9, 2, 8, 3], batch_size=2, shuffle=False)
        >>> list(sampler)
        [[1, 3], [2, 0]]
        >>> round(sampler.padding_share(), 3)
        0.083
    """

    def __init__(
        self,
        lengths: Tensor | Sequence[int],
        batch_size: int,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        pool_size: int = 50,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        self.lengths = torch.as_tensor(lengths, device="cpu")
        if self.lengths.ndim != 1:
            raise ValueError(f"lengths must be one-dimensional, got shape {tuple(self.lengths.shape)}")
        check_count(batch_size=batch_size, pool_size=pool_size)
        self._shard = Shard(num_replicas, rank)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.pool_size = pool_size
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0

    def __len__(self) -> int:
        full, rest = divmod(len(self.lengths), self.batch_size * self.num_replicas)
        return full + (rest >= self._smallest())

    def __iter__(self) -> Iterator[list[int]]:
        yield from (batch.tolist() for batch in self._batches())

    def set_epoch(self, epoch: int) -> None:
        """Choose the next iteration's order: the same epoch gives the same batches."""
        self.epoch = epoch

    def padding_share(self) -> float:
        """The fraction of padding among all positions of this epoch's padded batches, from 0 to 1."""
        padded = sum(len(batch) * int(self.lengths[batch].max()) for batch in self._batches())
        real = sum(int(self.lengths[batch].sum()) for batch in self._batches())
        return 1 - real / padded if padded else 0.0

    def _smallest(self) -> int:
        """The least samples of all ranks together that make a batch on this one."""
        if self.drop_last:
            return self.batch_size * self.num_replicas
        return self.num_replicas if self.shuffle else self.rank + 1

    def _batches(self) -> list[Tensor]:
        size = self.batch_size * self.num_replicas
        if not self.shuffle:
            batches = list(self.lengths.argsort(stable=True).split(size))
        else:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(len(self.lengths), generator=generator, device="cpu")
            pools = order.split(size * self.pool_size)
            sorted_pools = [pool[self.lengths[pool].argsort(stable=True)] for pool in pools]
            batches = [batch for pool in sorted_pools for batch in pool.split(size)]
            turns = torch.randperm(len(batches), generator=generator, device="cpu").tolist()
            batches = [batches[turn] for turn in turns]
        own = self._shard.every_nth()  # so that each rank has short and long ones
        return [batch[own] for batch in batches if len(batch) >= self._smallest()]
