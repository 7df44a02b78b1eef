"""A contestant in a process of its own, as programs are.

What one does to its process (the memory that the allocator keeps, the threads that it starts) then
neither helps nor hinders another.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

__all__ = ["in_own_process"]

_prepared: dict[str, Callable[[], object]] = {}


def in_own_process(setup: Callable[[], Callable[[], object]]) -> Callable[[], float]:
    """Start a process, call `setup` there, and return a step that runs there and returns its seconds.

    Args:
        setup: A function that pickles, or a `functools.partial` of one; returns the step to time.
    """
    process = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
    process.submit(_prepare, setup).result()
    return lambda: process.submit(_time_step).result()


def _prepare(setup: Callable[[], Callable[[], object]]) -> None:
    _prepared["step"] = setup()


def _time_step() -> float:
    start = time.perf_counter()
    _prepared["step"]()
    return time.perf_counter() - start
