"""What keeps an update from being computed by a CUDA graph: the reasons, each as the clause of a warning."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as every_module
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import LBFGS, SGD, Optimizer
from torch.optim import optimizer as every_optimizer

from practicezoo.runtime.device import device_of
from practicezoo.runtime.processes import world_size
from practicezoo.training.parameters import missed_parameters, parameters_of
from practicezoo.training.replica import is_sharded

__all__ = [
    "CHANGING",
    "COMPILED",
    "obstacle_in_batch",
    "obstacle_in_gradients",
    "obstacle_in_hooks",
    "obstacle_in_setup",
]

CHANGING = (
    "a setting of the optimizer changes with each update: give a learning rate that follows a schedule as a "
    "tensor, lr=torch.tensor(0.001, device='cuda') with fused=True, and OneCycleLR cycle_momentum=False"
)
COMPILED = (
    "the model is compiled, which hides what becomes of its sequences' lengths: do not compile it, or train "
    "with capture=False"
)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
STEP_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
STEP_HOOKS_OF_ALL = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")


def obstacle_in_setup(model: nn.Module, optimizers: Sequence[Optimizer], precision: str) -> str | None:
    """Why no update of this model can be recorded; None if one may."""
    device = device_of(model)
    if device.type != "cuda":
        return f"there are graphs on CUDA only, and the model is on {device}"
    if world_size() > 1:
        return f"{world_size()} processes exchange gradients"
    if isinstance(model, DataParallel | DistributedDataParallel) or is_sharded(model):
        return f"the model is wrapped as {type(model).__name__}"
    if precision == "fp16":
        return "fp16 looks in each update whether gradients overflowed: take bf16"
    return next(filter(None, map(_obstacle_in_optimizer, optimizers)), None)


def _obstacle_in_optimizer(optimizer: Optimizer) -> str | None:
    name = type(optimizer).__name__
    if isinstance(optimizer, LBFGS):
        return "LBFGS decides by the loss what it does next"
    if type(optimizer) is SGD or all(group.get("capturable", False) for group in optimizer.param_groups):
        return None
    if "capturable" in optimizer.defaults:
        return f"{name} counts its steps on the CPU: make it with capturable=True"
    return f"{name} does not say whether it is capturable"


def obstacle_in_batch(tensors: Sequence[Any], device: torch.device) -> str | None:
    """Why updates by batches of these cannot be computed by a graph; None if they may."""
    for each in tensors:
        if not isinstance(each, Tensor):
            return f"a batch holds a {type(each).__name__}, which would be read only once"
        if each.device != device:
            return (
                f"a batch holds a tensor on {each.device}: keep data on the device, as TensorLoader(..., "
                "device=...) does, and sequences padded, with their lengths (PaddedSequence)"
            )
        if each.requires_grad:
            return "a batch holds a tensor that requires a gradient"
    return None


def obstacle_in_hooks(modules: Iterable[nn.Module], optimizers: Iterable[Optimizer]) -> str | None:
    """Who has a hook; None if nobody has."""
    parts = [part for root in modules for part in root.modules()]
    tensors = [parameter for part in parts for parameter in part.parameters(recurse=False)]
    for owners, kinds in ((parts, HOOKS), (tensors, TENSOR_HOOKS), (optimizers, STEP_HOOKS)):
        for owner in owners:
            if any(getattr(owner, kind, None) for kind in kinds):
                return f"{type(owner).__name__} has a hook, which a graph would not call"
    of_all = [getattr(every_module, f"_global{kind}") for kind in HOOKS]
    of_all += [getattr(every_optimizer, kind) for kind in STEP_HOOKS_OF_ALL]
    return "all modules or optimizers have a hook, which a graph would not call" if any(of_all) else None


def obstacle_in_gradients(model: nn.Module, criterion: object, optimizers: Sequence[Optimizer]) -> str | None:
    """Which gradients no graph can hold: sparse ones, and those that no optimizer clears, for they grow."""
    missed = missed_parameters(model, criterion, optimizers)
    if missed:
        return f"{missed[0]} gets a gradient, and no optimizer has it: give it to one, or freeze it"
    gradients = [parameter.grad for parameter in parameters_of(*optimizers)]
    if any(gradient is not None and gradient.layout is not torch.strided for gradient in gradients):
        return "a gradient is sparse, and its size depends on values"
    return None
