"""What a step is made of: operations, bytes, kernel launches and memory."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Traffic", "count_launches", "count_work", "extra_bytes", "held_bytes", "num_launches"]

Step = Callable[[], object]


class Traffic(TorchDispatchMode):
    """Counts the calls of eager operations, and the bytes of the tensors that they read and write.

    A view moves no bytes. What a compiler fuses, or a cache keeps, moves fewer than are counted here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_calls = 0
        self.num_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count it."""
        result = func(*args, **(kwargs or {}))
        self.num_calls += 1
        if not func.is_view:
            self.num_bytes += sum(
                part.nbytes for part in tree_leaves((args, kwargs, result)) if isinstance(part, Tensor)
            )
        return result


def count_work(step: Step) -> dict[str, int]:
    """Count a step's operations (a multiply-add is two), as torch's flop counter does, and its bytes.

    The counter knows products and convolutions as they are on the CPU; CUDA's recurrent networks it does not.
    """
    from torch.utils.flop_counter import FlopCounterMode  # it imports triton

    with FlopCounterMode(display=False) as counter, Traffic() as traffic:
        step()
    return {"operations": counter.get_total_flops(), "bytes": traffic.num_bytes}


def count_launches(event_names: Iterable[str]) -> int:
    """Count the calls that start work on a CUDA device; a CUDA graph is started by one.

    Example:
        >>> count_launches(["aten::mm", "cudaLaunchKernel", "cudaMemcpyAsync", "cudaGraphLaunch"])
        2
    """
    return sum(name.startswith(("cudaLaunch", "cuLaunch", "cudaGraphLaunch")) for name in event_names)


def num_launches(step: Step) -> int:
    """Count the kernel launches of a step on a CUDA device."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        step()
        torch.cuda.synchronize()
    return count_launches(event.name for event in profiler.events())


def held_bytes(model: nn.Module, optimizer: Optimizer | None, *batch: Tensor) -> int:
    """Count what stays in memory from step to step: weights, gradients, the optimizer's state, the batch."""
    parameters = list(model.parameters())
    tensors = [*batch, *parameters, *model.buffers()]
    tensors += [parameter.grad for parameter in parameters if parameter.grad is not None]
    for state in optimizer.state.values() if optimizer else ():
        tensors += [value for value in state.values() if isinstance(value, Tensor)]
    return sum(tensor.nbytes for tensor in tensors if tensor.device == batch[0].device)


def extra_bytes(step: Step, device: str) -> int:
    """Return what a step allocates at its peak, beyond what is held before it.

    On CUDA the allocator tells its peak. On the CPU the profiler records what torch's allocator gives and
    takes back, and the peak is that of the running sum; what libraries allocate by themselves is not in it.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    recorded: Any = profiler.profiler
    changes = [event for event in recorded.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        peak = max(peak, held)
    return peak
