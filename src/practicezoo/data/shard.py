"""One rank's part of the data that several processes go through together."""

from dataclasses import dataclass

from practicezoo.arguments import check_count

__all__ = ["Shard"]


@dataclass(frozen=True)
class Shard:
    """Which of ``num_replicas`` parts of each batch is this rank's.

    Attributes:
        num_replicas: processes that share the data.
        rank: which of them this is, from 0.

    Raises:
        ValueError: if ``num_replicas`` is below 1, or ``rank`` is not below it.

    Example:
        >>> Shard(num_replicas=3, rank=1).rows(0, 7)
        slice(2, 4, None)
        >>> list(range(7))[Shard(num_replicas=3, rank=1).every_nth()]
        [1, 4]
    """

    num_replicas: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        check_count(num_replicas=self.num_replicas)
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"rank must lie in [0, {self.num_replicas}), got {self.rank}")

    def rows(self, start: int, stop: int) -> slice:
        """A part of the rows from ``start`` to ``stop`` that lie side by side."""
        size = stop - start
        first, end = (start + size * rank // self.num_replicas for rank in (self.rank, self.rank + 1))
        return slice(first, end)

    def every_nth(self) -> slice:
        """Every nth row from this rank's own on: of sorted rows each rank gets the same mixture."""
        return slice(self.rank, None, self.num_replicas)
