"""Which parameters the optimizers hold: what can be seen to go wrong before anything is computed."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from torch import nn
from torch.optim import Optimizer

from practicezoo.arguments import listed
from practicezoo.runtime.freezing import frozen_modules, train_all_but
from practicezoo.runtime.preserve import preserve_training_mode

__all__ = [
    "check_own_parameters",
    "clear_gradients",
    "held_twice",
    "holds_none",
    "missed_parameters",
    "moving_norms",
    "named_parameters",
    "parameters_of",
    "warn_of_parameters",
]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def parameters_of(*optimizers: Optimizer) -> list[nn.Parameter]:
    """The parameters that these update."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return [parameter for group in groups for parameter in group["params"]]


def clear_gradients(optimizer: Optimizer) -> None:
    """Set the gradients to None.

    An optimizer's own ``zero_grad`` is called; torch's sets a label for its profiler, which takes a small
    network longer than the work.
    """
    if getattr(optimizer.zero_grad, "__func__", None) is not Optimizer.zero_grad:
        optimizer.zero_grad(set_to_none=True)
        return
    for group in optimizer.param_groups:  # without a list of them: this is done in every update
        for parameter in group["params"]:
            parameter.grad = None


def named_parameters(model: nn.Module, criterion: object) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of both, by name."""
    yield from model.named_parameters()
    if isinstance(criterion, nn.Module):
        yield from criterion.named_parameters(prefix="criterion")


def holds_none(optimizer: Optimizer, model: nn.Module, criterion: object) -> bool:
    """Whether an optimizer has no parameter of the model or the criterion: its updates change nothing."""
    return {parameter for _, parameter in named_parameters(model, criterion)}.isdisjoint(
        parameters_of(optimizer)
    )


def check_own_parameters(optimizers: Sequence[Optimizer], model: nn.Module, criterion: object) -> None:
    """Raise ValueError for an optimizer whose updates would change nothing here."""
    if any(holds_none(optimizer, model, criterion) for optimizer in optimizers):
        raise ValueError(
            "optimizer must hold parameters of the model, got none of them: make it from this model, "
            "after its last change (such as reset_head)"
        )


def missed_parameters(model: nn.Module, criterion: object, optimizers: Sequence[Optimizer]) -> list[str]:
    """The names of the parameters that get gradients and that no optimizer changes."""
    held = set(parameters_of(*optimizers))
    return [
        name
        for name, parameter in named_parameters(model, criterion)
        if parameter.requires_grad and parameter not in held
    ]


def held_twice(model: nn.Module, criterion: object, optimizers: Sequence[Optimizer]) -> list[str]:
    """The names of the parameters that get gradients and that an update changes twice."""
    counts = Counter(parameters_of(*optimizers))
    return [
        name
        for name, parameter in named_parameters(model, criterion)
        if parameter.requires_grad and counts[parameter] > 1
    ]


def moving_norms(model: nn.Module) -> list[str]:
    """The names of the batch norms whose parameters are frozen and whose statistics training moves.

    Those that :func:`~practicezoo.freeze` or the user froze stay in evaluation mode, as do those that the
    model's own ``train`` leaves there. A model that trains nothing has none.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        return []
    frozen = frozen_modules(model)
    with preserve_training_mode(model):
        train_all_but(model, frozen)
        kept = {module for module in model.modules() if not module.training}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, NORMS)
        and module not in kept
        and module.running_mean is not None
        and (parameters := list(module.parameters()))
        and not any(parameter.requires_grad for parameter in parameters)
    ]


def warn_of_parameters(model: nn.Module, criterion: object, optimizers: Sequence[Optimizer]) -> None:
    """Warn, for the caller of the caller, of what a run would silently leave, change twice or move."""
    problems = {
        "no optimizer has {}, so they stay as they are: make the optimizer after the model's last change, or "
        "freeze(...) what is not to be trained": missed_parameters(model, criterion, optimizers),
        "each update changes {} twice: give each parameter to one group of one optimizer": held_twice(
            model, criterion, optimizers
        ),
        "the batch norms {} are frozen, and in training mode they take on the new data's statistics: "
        "practicezoo.freeze(...) keeps them as they are": moving_norms(model),
    }
    for problem, names in problems.items():
        if names:
            warnings.warn(problem.format(listed(names)), stacklevel=3)
