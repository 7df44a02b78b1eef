"""The model as one of several ranks calls it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from practicezoo.runtime.processes import rank, world_size

__all__ = ["average_gradients", "check_gradients", "is_sharded", "no_sync", "replicate", "unwrap"]


def replicate(module: nn.Module) -> nn.Module:
    """``module`` as it is called in training: in step with its copies on the other ranks.

    That is a DistributedDataParallel around it, or the module itself if this process is alone, there is
    nothing to train in it, or it is wrapped or sharded (``fully_shard``) already.
    """
    is_joined = isinstance(module, DistributedDataParallel) or is_sharded(module)
    if world_size() == 1 or is_joined or not any(part.requires_grad for part in module.parameters()):
        return module
    return DistributedDataParallel(module)


def unwrap(module: nn.Module) -> nn.Module:
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


def is_sharded(module: object) -> bool:
    """Whether ``fully_shard`` was called on the module; asking for its class would import all of FSDP."""
    return hasattr(module, "set_requires_gradient_sync")
