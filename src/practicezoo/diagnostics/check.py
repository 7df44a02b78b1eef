"""The pre-flight check of a training program, before hours are spent on it."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from practicezoo.arguments import as_list, check_count, check_instances, check_restartable
from practicezoo.batches import check_model
from practicezoo.diagnostics.finding import Finding
from practicezoo.metrics.loss import Criterion
from practicezoo.runtime.preserve import preserve_loaders
from practicezoo.training.schedules import list_schedulers

__all__ = ["check"]

# Multiply-adds for updates on one batch: about a second of one core, and half a minute.
WORK, WORK_THOROUGH = 5e9, 150e9
# A finding that only follows from others is left out where one of those is there.
FOLLOWS = {
    "forward-fails": {"batch-norm-of-one", "zero-length"},
    "loss-not-finite": {"input-not-finite", "target-not-finite"},
    "constant-output": {"dead-relus", "vanishing-gradients"},
    "zero-gradients": {"one-class-cross-entropy", "dead-relus"},
    "nll-needs-log-probabilities": {"samples-mixed"},
    "no-gradient": {"dead-relus"},
    "parameters-missed": {"foreign-optimizer"},
    "large-first-loss": {"input-scale", "exploding-gradients"},
    "output-out-of-reach": {
        "sigmoid-before-bce-with-logits",
        "softmax-before-bce-with-logits",
        "relu-before-bce-with-logits",
    },
    "target-scale": {"output-out-of-reach"},
    "samples-mixed": {"constant-output", "batch-size-differs"},
}


def check(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    criterion: Criterion,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    val_loader: Iterable[Any] | None = None,
    lr_scheduler: LRScheduler | Sequence[LRScheduler] | None = None,
    epochs: int | None = None,
    thorough: bool = False,
) -> list[Finding]:
    """Look for the usual mistakes in a training program, on one batch.

    The model runs forward and backward on the loader's first batch and, if nothing is found, is trained on
    it for a moment, as a copy: parameters, buffers,
    gradients, training flags, optimizer, loaders and random numbers stay as they are, also when something
    fails. What fails inside the program becomes a finding, with the error's message.

    Args:
        model: any module; batches follow its device.
        loader: gives the pairs of inputs and targets to train on. A DataLoader's batch is read in this
            process, without its workers.
        criterion: called with outputs and targets, returns a scalar.
        optimizer: one optimizer, or several, that would train the model.
        val_loader: gives the pairs to validate on; its labels and samples are compared with the training
            data's.
        lr_scheduler: one scheduler, or several, that would be stepped as :func:`~practicezoo.fit` does.
        epochs: how long the training would be; without it, no scheduler is looked at as too fast.
        thorough: whether updates on one batch may take half a minute of one core instead of a second. How
            much they would compute is counted, not timed, so that every machine tries the same; a network
            that is too large to be tried is warned of.

    Returns:
        The findings, in the order in which training would meet them; empty when nothing was found. The
        guide's page on checking lists their codes.

    Raises:
        TypeError: if ``model`` is no module or a scripted one, ``criterion`` cannot be called, ``optimizer``
            is none, ``lr_scheduler`` cannot step, ``epochs`` is no integer, a loader cannot be iterated
            over, or a class is given for an instance.
        ValueError: if a loader can be iterated over only once, which the check would use up, or ``epochs``
            is below 1.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
        >>> batches = [(torch.randn(8, 4), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))]
        >>> for finding in check(model, batches, criterion=nn.CrossEntropyLoss()):
        ...     print(finding.code)
        softmax-before-cross-entropy

    Source: the mistakes that the course's programs and their readers make.
    """
    optimizers = _check_arguments(model, loader, criterion, optimizer, val_loader)
    schedulers = list_schedulers(lr_scheduler)  # whose they are is for the check to find
    if epochs is not None:
        check_count(epochs=epochs)
    from practicezoo.diagnostics.examine import examine, examine_learning  # loaded when first needed

    is_untried = False
    with (
        preserve_loaders(loader, val_loader),
        warnings.catch_warnings(action="ignore"),  # what they say becomes a finding
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        findings = list(
            examine(model, loader, criterion, optimizers, val_loader, schedulers=schedulers, epochs=epochs)
        )
        if not findings:
            allowed = WORK_THOROUGH if thorough else WORK
            learning = examine_learning(model, loader, criterion, optimizers, allowed=allowed)
            findings, is_untried = learning or [], learning is None
    if is_untried:
        warnings.warn(
            "the network is too large for updates on one batch, so whether it learns was not tried: "
            "thorough=True allows for more",
            stacklevel=2,
        )
    codes = {finding.code for finding in findings}
    return [finding for finding in findings if not FOLLOWS.get(finding.code, set()) & codes]


def _check_arguments(
    model: object, loader: object, criterion: object, optimizer: Any, val_loader: object
) -> list[Optimizer]:
    """The optimizers, if all arguments are what they should be."""
    check_instances(model=model, loader=loader, criterion=criterion, optimizer=optimizer)
    module = check_model(model)
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise TypeError("model must be in Python to be looked into, got a scripted module: check it before")
    if not callable(criterion):
        raise TypeError(f"criterion must be callable, got {type(criterion).__name__}")
    check_restartable(loader=loader, val_loader=val_loader)
    for name, each in (("loader", loader), ("val_loader", val_loader)):
        if each is not None and not (hasattr(each, "__iter__") or hasattr(each, "__getitem__")):
            raise TypeError(f"{name} must be an iterable of batches, got {type(each).__name__}")
    optimizers = as_list(optimizer)
    for each in optimizers:
        if not isinstance(each, Optimizer):
            raise TypeError(f"optimizer must be an optimizer or several, got {type(each).__name__}")
    return optimizers
