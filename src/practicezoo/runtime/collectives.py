"""What the ranks of a process group exchange. Every function is a no-op in a single process."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

from practicezoo.runtime.processes import is_main, world_size

__all__ = [
    "all_gather_objects",
    "any_rank",
    "broadcast_object",
    "broadcast_tensors",
    "check_equal_lengths",
    "main_process_first",
    "run_on_main",
    "sum_over_ranks",
]


def sum_over_ranks(*values: Tensor | float) -> tuple[Tensor | float, ...]:
    """Each of the numbers summed over all ranks, in float64 and one exchange; alone, the numbers themselves.

    Every rank must call it, with equally many numbers.

    Args:
        values: numbers, or scalar tensors on any device.

    Returns:
        The sums, as scalar tensors; alone, ``values``.

    Example:
        >>> loss_sum, num_items = sum_over_ranks(torch.tensor(12.0), 8)
        >>> loss_sum / num_items
        tensor(1.5000)
    """
    if world_size() == 1:
        return values
    device = torch.device("cuda", torch.cuda.current_device()) if _over_nccl() else torch.device("cpu")
    sums = torch.stack([torch.as_tensor(value, dtype=torch.float64, device=device) for value in values])
    distributed.all_reduce(sums)
    return sums.unbind()


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank: the same answer on all of them."""
    (count,) = sum_over_ranks(float(flag))
    return bool(count > 0)


def broadcast_object(value: Any) -> Any:
    """What rank 0 gave, on every rank. Every rank must call it."""
    if world_size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def run_on_main(function: Callable[[], Any]) -> Any:
    """What the function returns on rank 0, on every rank; or the error that it raises there."""
    result, error = None, None
    if is_main():
        try:
            result = function()
        except Exception as raised:
            if world_size() == 1:
                raise
            error = raised
    result, error = broadcast_object((result, error))
    if error is not None:
        raise error
    return result


def all_gather_objects(value: Any) -> list[Any]:
    """What each rank gave, in their order, on every rank. Every rank must call it."""
    if world_size() == 1:
        return [value]
    values = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


@contextmanager
def main_process_first() -> Iterator[None]:
    """Rank 0 does what is inside before the others do it."""
    if not is_main():
        distributed.barrier()
    yield
    if is_main() and world_size() > 1:
        distributed.barrier()


def check_equal_lengths(loader: Any) -> None:
    """Raise ValueError if the ranks' loaders differ in length: the longer ones would deadlock.

    Loaders without a length are not looked at.
    """
    if world_size() == 1:
        return
    try:
        own = len(loader)
    except TypeError:
        own = None
    lengths = all_gather_objects(own)
    if len(set(lengths)) > 1 and None not in lengths:
        raise ValueError(
            "loader must give equally many batches on every rank, got "
            f"{', '.join(map(str, lengths))}: shuffle with a seed, or use drop_last"
        )


def broadcast_tensors(tensors: Iterable[Tensor]) -> None:
    """Give the tensors the values that they have on rank 0."""
    if world_size() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), src=0)


def _over_nccl() -> bool:
    return distributed.get_backend() == "nccl"
