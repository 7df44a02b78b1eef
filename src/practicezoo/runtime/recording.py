"""Recording what a function computes on a CUDA device, to be computed again by one call."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["CudaRecorder", "ElsewhereMode", "Recorder"]

T = TypeVar("T")
WAITING = "called a synchronizing CUDA operation"  # torch's words
MOVE = "aten._to_copy.default"


class Recorder(Protocol):
    """Records a function whose results lie in tensors: what it computes, not how Python gets there."""

    def rehearse(self, function: Callable[[], T], *, watch: bool) -> tuple[T, str | None]:
        """Call the function where it will be recorded.

        Args:
            function: what will be recorded.
            watch: whether to look at each operation as well; compiled code cannot be looked at.

        Returns:
            Its result, and why it cannot be recorded, or None.
        """

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Record the function without computing; returns its result, and what computes it into its memory."""

    def forget(self) -> None:
        """Take new memory for what is recorded from now on; all that was recorded has been let go."""


class CudaRecorder:
    """Records CUDA graphs, which share their memory: at most one is computed at a time.

    A graph repeats the kernels of its recording on the memory that they had. What the host did there, reading
    a value, branching or sampling, is not done again, and reading ends the recording in an error that leaves
    torch's random generators unusable. A rehearsal tells before.

    Args:
        device: the CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # rehearsals on the same one make what libraries keep for it
        self._memory = torch.cuda.graph_pool_handle()

    def rehearse(self, function: Callable[[], T], *, watch: bool) -> tuple[T, str | None]:
        """See :class:`Recorder`."""
        current = torch.cuda.current_stream(self._device)
        elsewhere = ElsewhereMode(self._device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream), _waits() as waits, elsewhere if watch else nullcontext():
                result = function()
        finally:
            current.wait_stream(self._stream)
        return result, next(iter([*waits, *elsewhere.found]), None)

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """See :class:`Recorder`."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        settings: dict[str, Any] = {"pool": self._memory, "stream": self._stream}
        try:
            # threads that copy batches to the device may go on
            with torch.cuda.graph(graph, capture_error_mode="thread_local", **settings):
                result = function()
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # which torch leaves undone
            error.add_note("The update could not be recorded as a CUDA graph: train with capture=False.")
            raise
        return result, graph.replay

    def forget(self) -> None:
        """See :class:`Recorder`."""
        self._memory = torch.cuda.graph_pool_handle()  # torch refuses one whose graphs are all gone


class ElsewhereMode(TorchDispatchMode):
    """Finds the first operation with a tensor that is not on a device.

    Operations of attention are passed over: what they keep of random states on the CPU is on the device in a
    graph.

    Args:
        device: where tensors should be.
        movable: tensors elsewhere that may be copied to the device.

    Attributes:
        found: a clause for the first such operation; empty without one.
    """

    def __init__(self, device: torch.device, *, movable: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self._device_type = device.type
        self._movable = movable
        self.found: list[str] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the operation as it is."""
        del types
        result = func(*args, **(kwargs or {}))
        is_moved = (
            str(func) == MOVE
            and result.device.type == self._device_type
            and any(args[0] is each for each in self._movable)
        )
        if not (self.found or is_moved or "attention" in str(func)):
            for leaf in tree_leaves((args, kwargs, result)):
                if isinstance(leaf, Tensor) and leaf.device.type != self._device_type:
                    self.found = [f"{func} has a tensor on {leaf.device}, which would be read only once"]
                    break
        return result


@contextmanager
def _waits() -> Iterator[list[str]]:
    """Collects a clause for each time that the host waits for the device; other warnings are given again."""
    found: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for each in caught:
        if WAITING in str(each.message):
            found.append(f"the host waits for the device at {each.filename}:{each.lineno}")
        elif "prototype" not in str(each.message):  # torch's word on the mode itself
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
