"""One forward and backward pass on a copy of the program."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.rnn import PackedSequence

from practicezoo.batches import call_model, move_to, unwrap
from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.rebinding import rebound
from practicezoo.diagnostics.recorder import Layer, LossCall, OperationRecorder, Rectified
from practicezoo.runtime.device import device_of
from practicezoo.runtime.freezing import frozen_modules, train_all_but
from practicezoo.runtime.preserve import preserve_training_mode
from practicezoo.runtime.randomness import seed_everything
from practicezoo.training.parameters import named_parameters

__all__ = ["DryRun", "Gradients", "copied", "tensors_in"]

NUDGE = 1e-2


class Gradients(NamedTuple):
    """The gradients of the parameters by name, and of what each layer gave; leaves that are no parameters."""

    named: dict[str, Tensor | None]
    of_layers: list[tuple[str, Tensor | None]]
    strangers: list[Tensor]


@dataclass
class DryRun:
    """A copy of model and criterion, a batch, and what a pass over it leaves.

    Attributes:
        model: the copy, in training mode.
        criterion: the copy that goes with it.
        copies: the copy of each original object, by the original's ``id``.
        inputs: a batch's inputs, on the model's device.
        targets: its targets, there too.
        is_trained: whether a parameter required a gradient before the first pass.
        given: the copy of the inputs that the last pass was given: a model may change them in place.
        layers: what the forward pass computed with weights, in order.
        rectified: what its ReLUs gave, in order.
        loss_calls: what the criterion computed, in order.
    """

    model: nn.Module
    criterion: Any
    copies: dict[int, Any]
    inputs: Any
    targets: Any
    is_trained: bool = True
    given: Any = None
    outputs: Any = None
    loss: Any = None
    layers: list[Layer] = field(default_factory=list)
    rectified: list[Rectified] = field(default_factory=list)
    loss_calls: list[LossCall] = field(default_factory=list)
    _running: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: nn.Module, criterion: Any, batch: tuple[Any, Any]) -> "DryRun":
        """Copy the program and the batch: whatever happens to the copies, the originals stay as they are."""
        copies: dict[int, Any] = {}
        twin, its_criterion = copied((unwrap(model), criterion), copies)
        its_criterion = rebound(its_criterion, copies)
        inputs, targets = move_to(copied(batch, {}), device_of(twin))
        frozen = frozen_modules(twin)
        train_all_but(twin, frozen)
        dry_run = cls(twin, its_criterion, copies, inputs, targets)
        dry_run.is_trained = bool(dry_run.parameters())
        _copy_hooks([*named_parameters(unwrap(model), criterion)], copies)
        for name, module in twin.named_modules():
            module.register_forward_pre_hook(partial(dry_run._enter, name))
            module.register_forward_hook(dry_run._leave)
        return dry_run

    def _enter(self, name: str, *_: Any) -> None:
        self._running.append(name)

    def _leave(self, *_: Any) -> None:
        self._running.pop()

    def where(self) -> str:
        """The innermost module that runs, by name; after an error, the one that failed."""
        name = self._running[-1] if self._running else ""
        return f"layer {name!r}" if name else type(self.model).__name__

    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters of the model and the criterion that require a gradient, by name."""
        named = dict(named_parameters(self.model, self.criterion))
        return {name: parameter for name, parameter in named.items() if parameter.requires_grad}

    def forward(self, inputs: Any) -> None:
        """Run the model in training mode, recording its layers and ReLUs."""
        self._running.clear()
        self.given = copy.deepcopy(inputs)
        with OperationRecorder(self.where) as recorder:
            self.outputs = call_model(self.model, self.given)
        self.layers, self.rectified = recorder.layers, recorder.rectified

    def nudge(self) -> None:
        """Move every parameter a little, so that nothing is 0 because it starts there."""
        with torch.no_grad():
            for parameter in self.model.parameters():
                if parameter.is_floating_point():
                    parameter.add_(torch.randn_like(parameter), alpha=NUDGE)

    def steady(self) -> Any:
        """The model's outputs in training mode, but for dropout.

        In evaluation mode a fresh batch norm scales by numbers that are not of any data yet.
        """
        with preserve_training_mode(self.model), torch.no_grad():
            for module in self.model.modules():
                if isinstance(module, _DropoutNd):
                    module.eval()
            return call_model(self.model, copy.deepcopy(self.inputs))

    @contextmanager
    def other_weights(self, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
        """Change all trained parameters for a while."""
        trained = [each for each in self.parameters().values() if each.is_floating_point()]
        values = [parameter.data for parameter in trained]  # the graph of the loss must not see the change
        before = [each.clone() for each in values]
        try:
            for each in values:
                each.copy_(change(each))
            yield
        finally:
            for each, old in zip(values, before, strict=True):
                each.copy_(old)

    def evaluated(self, inputs: Any, *, seed: int = 0) -> Any:
        """The model's outputs in evaluation mode, the same random numbers for the same seed."""
        return self.observed(inputs, seed=seed)[0]

    def observed(self, inputs: Any, *, seed: int = 0) -> tuple[Any, OperationRecorder]:
        """The model's outputs in evaluation mode, and what computed them."""
        self._running.clear()
        seed_everything(seed)
        with (
            preserve_training_mode(self.model),
            torch.no_grad(),
            OperationRecorder(self.where) as recorder,
        ):
            return call_model(self.model.eval(), copy.deepcopy(inputs)), recorder

    def compute_loss(self) -> None:
        """Run the criterion, recording its losses, also those before an error."""
        with OperationRecorder(self.where, pair=(self.outputs, self.targets)) as recorder:
            self.loss_calls = recorder.loss_calls
            self.loss = self.criterion(self.outputs, self.targets)

    def compared(self, outputs: Any, index: int) -> Tensor | None:
        """What the criterion's loss with this index compares with the targets, for other outputs."""
        with torch.no_grad(), OperationRecorder(self.where, pair=(outputs, self.targets)) as recorder:
            self.criterion(outputs, self.targets)
        calls = recorder.loss_calls
        return calls[index].inputs if index < len(calls) else None

    def differentiate(self) -> Gradients:
        """The gradients, returned rather than accumulated in ``grad``.

        For a tensor of the program may hang in the graph that is no part of the copies.
        """
        named = self.parameters()
        layers = [layer for layer in self.layers if layer.outputs.requires_grad]
        wanted = [*named.values(), *(layer.outputs for layer in layers)]
        found = torch.autograd.grad(self.loss, wanted, allow_unused=True) if wanted else ()
        gradients = [None if each is None else _dense(each) for each in found]
        data = list(tensors_in((self.given, self.targets)))
        known = {id(tensor) for tensor in (*named.values(), *data)}
        return Gradients(
            dict(zip(named, gradients, strict=False)),
            [(layer.where, each) for layer, each in zip(layers, gradients[len(named) :], strict=True)],
            [leaf for leaf in _leaves(self.loss) if id(leaf) not in known and not _is_copy(leaf, data)],
        )


def copied(thing: Any, copies: dict[int, Any]) -> Any:
    """A deep copy; ``copies`` takes each original's copy by its ``id``.

    What cannot be copied deeply is shared, such as an open file, or copied without the graph it hangs in,
    such as outputs that a module kept.
    """
    twin, error = attempt(copy.deepcopy, thing, copies)
    if error is None:
        return twin
    copies.clear()
    for value in _attributes(thing):
        if attempt(copy.deepcopy, value).error is not None:
            copies[id(value)] = value.detach().clone() if isinstance(value, Tensor) else copy.copy(value)
    return copy.deepcopy(thing, copies)


def _copy_hooks(named: Sequence[tuple[str, nn.Parameter]], copies: dict[int, Any]) -> None:
    """Give the copies the hooks of parameters, which change gradients and are not copied with them."""
    for _, parameter in named:
        twin = copies.get(id(parameter))
        for hook in (getattr(parameter, "_backward_hooks", None) or {}).values():
            if isinstance(twin, Tensor) and twin.requires_grad:
                twin.register_hook(hook)


def tensors_in(data: Any) -> Iterator[Tensor]:
    """The tensors in a batch, in order; of a packed sequence, its data."""
    if isinstance(data, Tensor):
        yield data
    elif isinstance(data, PackedSequence):
        yield data.data
    elif isinstance(data, dict):
        yield from tensors_in(list(data.values()))
    elif isinstance(data, tuple | list):
        for value in data:
            yield from tensors_in(value)


def _attributes(things: Any) -> Iterator[Any]:
    """The tensors of a batch; what modules keep beside parameters, buffers and submodules."""
    yield from tensors_in(things)
    for module in (module for thing in things if isinstance(thing, nn.Module) for module in thing.modules()):
        own = vars(module)
        yield from (own[name] for name in own.keys() - {"_parameters", "_buffers", "_modules"})


def _dense(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _is_copy(leaf: Tensor, data: Sequence[Tensor]) -> bool:
    """Whether it is some of the data, as inputs.detach().requires_grad_() is."""
    alike = (each for each in data if each.shape == leaf.shape and each.device == leaf.device)
    return any(bool((each == leaf).all()) for each in alike)


def _leaves(result: Any) -> list[Tensor]:
    """The tensors at the ends of the graph behind ``result``."""
    found, seen, pending = [], set(), [result.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)
        pending += [parent for parent, _ in node.next_functions]
    return found
