"""The model as it is called on one of several ranks."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from practicezoo.batches import ModelCall, unwrap
from practicezoo.runtime.collectives import broadcast_tensors
from practicezoo.runtime.processes import rank, world_size

__all__ = ["Replica", "is_sharded", "without_exchange"]


class Replica:
    """A model that is trained in step with its copies on the other ranks; alone, the model itself.

    On several ranks it is called through DistributedDataParallel, unless it is wrapped or sharded
    (``fully_shard``) already or has nothing to train. Gradients are all-reduced once in an update, and a
    criterion's own parameters are kept alike as well.

    Args:
        model: any module, wrapped or not.
        criterion: what it is trained with.

    Attributes:
        model: the user's own module, without any wrapper.
        call: gives the outputs for a batch's inputs.
        local: what to call where no gradients are exchanged; compiled, if the model is.
        world_size: how many ranks there are.
    """

    def __init__(self, model: nn.Module, criterion: object) -> None:
        self.model = unwrap(model)
        self.local = without_exchange(model)
        self.world_size = world_size()
        is_joined = isinstance(model, DistributedDataParallel) or is_sharded(model)
        is_trained = any(parameter.requires_grad for parameter in model.parameters())
        wraps = self.world_size > 1 and not is_joined and is_trained
        self._called = DistributedDataParallel(model) if wraps else model
        self.call = ModelCall(self._called)
        self._others = list(criterion.parameters()) if isinstance(criterion, nn.Module) else []
        broadcast_tensors(self._others)

    def exchange(self, enabled: bool) -> AbstractContextManager[None]:
        """Backward passes inside all-reduce the gradients on this rank, or keep them for the last pass."""
        return nullcontext() if enabled or self.world_size == 1 else self._no_exchange()

    @contextmanager
    def _no_exchange(self) -> Iterator[None]:
        called: Any = self._called
        if isinstance(called, DistributedDataParallel):
            with called.no_sync():
                yield
        elif is_sharded(called):
            called.set_requires_gradient_sync(False)
            try:
                yield
            finally:
                called.set_requires_gradient_sync(True)
        else:
            yield

    def scaled(self, objective: Tensor) -> Tensor:
        """The objective times the number of ranks: what is all-reduced comes out as a mean over them."""
        return objective if self.world_size == 1 else objective * self.world_size

    def finish_gradients(self) -> None:
        """Complete an update's gradients after the last backward pass.

        Raises:
            ValueError: if a parameter got no gradient on this rank: DistributedDataParallel has not
                all-reduced the others then. One that was told to look for such parameters is trusted.
        """
        if self.world_size == 1:
            return
        self._check_complete()
        for parameter in self._others:
            if parameter.requires_grad:
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                distributed.all_reduce(gradient)
                parameter.grad = gradient / self.world_size

    def _check_complete(self) -> None:
        if not isinstance(self._called, DistributedDataParallel) or self._called.find_unused_parameters:
            return
        for name, parameter in self._called.module.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise ValueError(
                    f"every parameter must get a gradient on every rank, got none for {name} on rank "
                    f"{rank()}: give the model wrapped in "
                    "DistributedDataParallel(model, find_unused_parameters=True)"
                )


def without_exchange(model: nn.Module) -> nn.Module:
    """The module inside a DistributedDataParallel, which may run without the other ranks; else as it is."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def is_sharded(module: object) -> bool:
    """Whether ``fully_shard`` was called on the module; asking for its class would import all of FSDP."""
    return hasattr(module, "set_requires_gradient_sync")
