"""A contestant in a process of its own, as programs are, or in several that train together.

What one does to its process (the memory that the allocator keeps, the threads that it starts) then
neither helps nor hinders another.
"""

import atexit
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import active_children, get_context
from weakref import WeakSet

import torch

from practicezoo.training import distributed_context

__all__ = ["end_processes", "in_own_process", "in_processes"]

_started: WeakSet[ProcessPoolExecutor] = WeakSet()
_pids: set[int] = set()
_prepared: dict[str, Callable[[], object]] = {}


def in_own_process(setup: Callable[[], Callable[[], object]]) -> Callable[[], float]:
    """Start a process, call `setup` there, and return a step that runs there and returns its seconds.

    Args:
        setup: A function that pickles, or a `functools.partial` of one; returns the step to time.
    """
    process = _start()
    process.submit(_prepare, setup).result()
    return lambda: process.submit(_time_step).result()


def in_processes(
    number: int, setup: Callable[[], Callable[[], object]], *, device: str
) -> Callable[[], object]:
    """Start processes that train together, as torchrun does, each with one thread.

    Args:
        number: How many.
        setup: As for `in_own_process`; called in each process.
        device: "cpu" or "cuda".

    Returns:
        A step that runs in all of them, and is over when the last has done it.
    """
    ranks = [_start() for _ in range(number)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waiting = [process.submit(_join, rank, number, port, device, setup) for rank, process in enumerate(ranks)]
    for joined in waiting:
        joined.result()

    def step() -> None:
        for running in [process.submit(_time_step) for process in ranks]:
            running.result()

    return step


def end_processes() -> None:
    """Wait until all of them are gone: more than a dozen that end take all the time of a core for seconds."""
    for process in list(_started):
        process.shutdown()
    for child in active_children():
        if child.pid in _pids:  # a DataLoader's workers are children as well, and stay
            child.join()


def _start() -> ProcessPoolExecutor:
    process = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
    _started.add(process)
    _pids.add(process.submit(os.getpid).result())
    return process


def _join(rank: int, number: int, port: int, device: str, setup: Callable[[], Callable[[], object]]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    group = ExitStack()
    group.enter_context(distributed_context(device))
    atexit.register(group.close)
    _prepare(setup)


def _prepare(setup: Callable[[], Callable[[], object]]) -> None:
    _prepared["step"] = setup()


def _time_step() -> float:
    start = time.perf_counter()
    _prepared["step"]()
    return time.perf_counter() - start
