"""Training over several processes: torchrun's group, and what its ranks must agree on.

Everything here costs nothing in a process of its own: without a group there is nothing to add up or wait for.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from practicezoo.training.device import pick_device

__all__ = [
    "DistributedContext",
    "any_rank",
    "average_gradients",
    "bare",
    "broadcast_from_main",
    "call_on_main",
    "check_equal_lengths",
    "check_gradients",
    "distributed_context",
    "gather_objects",
    "is_main",
    "is_sharded",
    "main_first",
    "no_sync",
    "object_from_main",
    "rank",
    "replicate",
    "sum_over_ranks",
    "world_size",
]

_LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # what torchrun sets


@dataclass(frozen=True)
class DistributedContext:
    """A process's place among those that train together.

    Attributes:
        rank: which process this is, from 0.
        world_size: how many there are.
        device: where this one computes.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes files: rank 0."""
        return self.rank == 0


@contextmanager
def distributed_context(device: str = "auto", *, timeout: float = 600.0) -> Iterator[DistributedContext]:
    """Join the processes that ``torchrun`` started, and leave them at the end; alone, do nothing.

    They talk over NCCL on CUDA, where each takes the device of its local rank, and over gloo on the CPU. A
    group that is up already is used, and left as it is.

    Args:
        device: "auto" (CUDA, else the CPU), "cpu" or "cuda"; alone any name that :func:`pick_device` takes.
        timeout: seconds to wait for the others before giving up.

    Yields:
        This process's rank, the number of processes, and the device.

    Raises:
        ValueError: if ``timeout`` is not positive, the device is not one that every process can have
            to itself, or this machine has fewer CUDA devices than processes.
        ConnectionError: if another process died or was silent for longer than ``timeout``.
        RuntimeError: if ``torchrun`` was used with a build of torch that lacks ``torch.distributed``.

    Example:
        >>> with distributed_context("cpu") as context:
        ...     context
        DistributedContext(rank=0, world_size=1, device=device(type='cpu'))
    """
    if not timeout > 0:
        raise ValueError(f"timeout must be positive, got {timeout}")
    launched = all(name in os.environ for name in _LAUNCHED)
    if launched and not distributed.is_available():
        raise RuntimeError("torchrun started several processes, but this build of torch has no distributed")
    if not launched and world_size() == 1:
        yield DistributedContext(0, 1, pick_device(device))
        return
    own = _own_device(device, int(os.environ.get("LOCAL_RANK", rank())))
    joins = not distributed.is_initialized()
    if joins:
        backend = "nccl" if own.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=timedelta(seconds=timeout), **_meeting_place(timeout))
    try:
        yield DistributedContext(rank(), world_size(), own)
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise ConnectionError(
            f"rank {rank()} of {world_size()} has lost the others: a process died, or was silent for "
            f"{timeout:g} seconds"
        ) from error
    finally:
        if joins:
            distributed.destroy_process_group()


def rank() -> int:
    """Which of the processes this is, from 0."""
    return distributed.get_rank() if _is_joined() else 0


def world_size() -> int:
    """How many processes train together; 1 without a group."""
    return distributed.get_world_size() if _is_joined() else 1


def is_main() -> bool:
    """Whether this is the process that prints and writes files: rank 0."""
    return rank() == 0


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


def object_from_main(value: Any) -> Any:
    """What rank 0 gave, on every rank. Every rank must call it."""
    if world_size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def call_on_main(function: Callable[[], Any]) -> Any:
    """What the function returns on rank 0, on every rank; or the error that it raises there."""
    result, error = None, None
    if is_main():
        try:
            result = function()
        except Exception as raised:
            if world_size() == 1:
                raise
            error = raised
    result, error = object_from_main((result, error))
    if error is not None:
        raise error
    return result


def gather_objects(value: Any) -> list[Any]:
    """What each rank gave, in their order, on every rank. Every rank must call it."""
    if world_size() == 1:
        return [value]
    values = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


@contextmanager
def main_first() -> Iterator[None]:
    """Rank 0 does what is inside before the others do it."""
    if not is_main():
        distributed.barrier()
    yield
    if is_main() and world_size() > 1:
        distributed.barrier()


def check_equal_lengths(loader: Any) -> None:
    """Raise ValueError if the ranks' loaders differ in length: the longer ones would wait for ever.

    Loaders without a length are not looked at.
    """
    if world_size() == 1:
        return
    try:
        own = len(loader)
    except TypeError:
        own = -1
    lengths = [int(n) for n in sum_over_ranks(*(own if r == rank() else 0 for r in range(world_size())))]
    if len(set(lengths)) > 1 and -1 not in lengths:
        raise ValueError(
            "loader must give equally many batches on every rank, got "
            f"{', '.join(map(str, lengths))}: shuffle with a seed, or use drop_last"
        )


def replicate(module: nn.Module) -> nn.Module:
    """``module`` as it is called in training: in step with its copies on the other ranks.

    That is a DistributedDataParallel around it, or the module itself if this process is alone, there is
    nothing to train in it, or it is wrapped or sharded (``fully_shard``) already.
    """
    is_joined = isinstance(module, DistributedDataParallel) or is_sharded(module)
    if world_size() == 1 or is_joined or not any(part.requires_grad for part in module.parameters()):
        return module
    return DistributedDataParallel(module)


def bare(module: nn.Module) -> nn.Module:
    """The module inside a DistributedDataParallel; any other as it is."""
    return module.module if isinstance(module, DistributedDataParallel) else module


@contextmanager
def no_sync(*modules: Any) -> Iterator[None]:
    """Keep gradients to this rank meanwhile; the first backward pass afterwards joins them all."""
    with ExitStack() as stack:
        for module in modules:
            if isinstance(module, DistributedDataParallel):
                stack.enter_context(module.no_sync())
            elif is_sharded(module):
                module.set_requires_gradient_sync(False)
                stack.callback(module.set_requires_gradient_sync, True)
        yield


def check_gradients(replica: nn.Module) -> None:
    """Raise ValueError for a parameter without a gradient: DistributedDataParallel has not joined the others.

    One that was told to look for such parameters is trusted.
    """
    if not isinstance(replica, DistributedDataParallel) or replica.find_unused_parameters:
        return
    for name, parameter in replica.module.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            raise ValueError(
                f"every parameter must get a gradient on every rank, got none for {name} on rank {rank()}: "
                "give the model wrapped in DistributedDataParallel(model, find_unused_parameters=True)"
            )


def average_gradients(criterion: object) -> None:
    """Replace the gradients of a criterion's own parameters by their mean over ranks."""
    for parameter in criterion.parameters() if isinstance(criterion, nn.Module) else ():
        if parameter.requires_grad:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            distributed.all_reduce(gradient)
            parameter.grad = gradient / world_size()


def broadcast_from_main(tensors: Iterable[Tensor]) -> None:
    """Give the tensors the values that they have on rank 0."""
    if world_size() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), src=0)


def _meeting_place(timeout: float) -> dict[str, Any]:
    """Where the processes of one machine find each other: after a restart not what the dead ones left there.

    torchrun keeps its store over restarts, and with it the addresses of processes that are gone.
    """
    if os.environ.get("GROUP_WORLD_SIZE") != "1":
        return {}  # restarts are not counted alike on all machines
    from torch.distributed.distributed_c10d import PrefixStore  # noqa: PLC0415  # not in builds without it
    from torch.distributed.rendezvous import rendezvous  # noqa: PLC0415

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store, own_rank, processes = next(rendezvous("env://", timeout=timedelta(seconds=timeout)))
    return {
        "store": PrefixStore(f"attempt-{attempt}", store),
        "rank": own_rank,
        "world_size": processes,
    }


def _is_joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _over_nccl() -> bool:
    return distributed.get_backend() == "nccl"


def is_sharded(module: object) -> bool:
    """Whether ``fully_shard`` was called on the module; asking for its class would import all of FSDP."""
    return hasattr(module, "set_requires_gradient_sync")


def _own_device(device: str, local_rank: int) -> torch.device:
    """The device of this process among those on its machine."""
    if device not in {"auto", "cpu", "cuda"}:
        raise ValueError(
            f"device must be 'auto', 'cpu' or 'cuda' for several processes, each has its own; got {device!r}"
        )
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} must be there for every process: local rank {local_rank} has none, this "
            f"machine has {torch.cuda.device_count()} CUDA devices"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _is_lost_connection(error: RuntimeError) -> bool:
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
