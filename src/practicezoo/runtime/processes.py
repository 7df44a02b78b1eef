"""Training over several processes: torchrun's group, and what its ranks must agree on.

Everything here is a no-op in a single process: without a group there is nothing to reduce or wait for.
"""

import gc
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from practicezoo.runtime.device import pick_device

__all__ = ["DistributedContext", "distributed_context", "is_main", "launched_rank", "rank", "world_size"]

GROUPS = itertools.count()  # that this process has joined: every rank joins all of them
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # what torchrun sets


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
        """Whether this is rank 0, the process that prints and writes files."""
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
    launched = _is_launched()
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
            # what holds the group in a circle, as DistributedDataParallel does, must let its threads end
            # before the interpreter does: torch 2.14 now and then aborts a rank at its exit otherwise
            gc.collect()


def launched_rank() -> int:
    """Which of the processes that ``torchrun`` started this is, from 0: known before they join, and after.

    Only for what is printed. Who writes files is told by :func:`is_main`: processes that never join are runs
    of their own, each of which writes.
    """
    return int(os.environ["RANK"]) if _is_launched() else 0


def rank() -> int:
    """Which of the processes this is, from 0."""
    return distributed.get_rank() if _is_joined() else 0


def world_size() -> int:
    """How many processes train together; 1 without a group."""
    return distributed.get_world_size() if _is_joined() else 1


def is_main() -> bool:
    """Whether this is the process that prints and writes files: rank 0."""
    return rank() == 0


def _meeting_place(timeout: float) -> dict[str, Any]:
    """Where torchrun's processes find each other: not what an earlier group, or dead processes, left there.

    torchrun keeps its store over restarts and from one group to the next, and with it the addresses of
    processes that are gone and of connections that are closed.
    """
    machines = os.environ.get("GROUP_WORLD_SIZE")
    if machines is None:
        return {}  # not torchrun: rank 0 opens a store for each group
    from torch.distributed.distributed_c10d import PrefixStore  # not in builds without it
    from torch.distributed.rendezvous import rendezvous

    # restarts are not counted alike on all machines
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if machines == "1" else "any"
    store, own_rank, processes = next(rendezvous("env://", timeout=timedelta(seconds=timeout)))
    return {
        "store": PrefixStore(f"attempt-{attempt}/group-{next(GROUPS)}", store),
        "rank": own_rank,
        "world_size": processes,
    }


def _is_launched() -> bool:
    return all(name in os.environ for name in LAUNCHED)


def _is_joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


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
