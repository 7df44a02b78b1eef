"""What the tests of training share: small data, hand-written loops, and a count of host reads."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from practicezoo.training import Callback, Run

HOST_READS = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2"}


def close(actual: Any, expected: Any, *, tolerance: float = 1e-12) -> None:
    """Equal up to rounding."""
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def same_weights(left: nn.Module, right: nn.Module) -> bool:
    """Whether two models have the same parameters and buffers, bit for bit."""
    pairs = zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def split(inputs: Any, targets: Any, sizes: int | Sequence[int]) -> list[tuple[Any, Any]]:
    """Batches of the given size or sizes."""
    return list(zip(inputs.split(sizes), targets.split(sizes), strict=True))


def mlp(seed: int = 0) -> nn.Sequential:
    """A small network whose training draws random numbers and whose buffers change."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def classes(num_items: int = 30, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Inputs (N, 5) and targets (N,) of three classes."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(num_items, 5, generator=generator, dtype=dtype)
    return inputs, torch.randint(3, (num_items,), generator=generator)


def train_by_hand(
    model: nn.Module,
    batches: Iterable[Any],
    criterion: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    schedulers: Sequence[Any] = (),
) -> None:
    """One epoch as a textbook writes it."""
    model.train()
    for inputs, targets in batches:
        for optimizer in optimizers:
            optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        for member in [*optimizers, *schedulers]:
            member.step()


class Recorder(Callback):
    """Remembers what it was called with."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.num_epochs: list[int] = []

    def on_step_end(self, run: Run, result: Any) -> None:
        self.results.append(result)

    def on_epoch_end(self, run: Run) -> None:
        self.num_epochs.append(len(run.history))


class HostReads(TorchDispatchMode):
    """Counts how often a tensor's value was read by Python: item, float, bool, int, tolist, numpy."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._patch = pytest.MonkeyPatch()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ in HOST_READS
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Self:
        # these do not pass the dispatcher
        for name in ("tolist", "numpy", "__array__", "__repr__", "__format__"):
            self._patch.setattr(torch.Tensor, name, self._counted(getattr(torch.Tensor, name)))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._patch.undo()

    def _counted(self, method: Any) -> Any:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            self.count += 1
            return method(*arguments, **keywords)

        return counted
