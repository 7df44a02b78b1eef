"""Whole updates as CUDA graphs: each form of batches is recorded once and then computed by one call."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import TreeSpec

from practicezoo.batches import unwrap
from practicezoo.runtime.device import device_of
from practicezoo.runtime.recording import CudaRecorder, ElsewhereMode, Recorder
from practicezoo.training.capturable import (
    CHANGING,
    COMPILED,
    obstacle_in_batch,
    obstacle_in_gradients,
    obstacle_in_hooks,
    obstacle_in_setup,
)
from practicezoo.training.flat_batches import FlatBatches, flatten
from practicezoo.training.looks import assigned, look, tensors_of
from practicezoo.training.parameters import parameters_of
from practicezoo.training.result import StepResult

__all__ = ["CapturedUpdate", "capture_updates"]

NUM_REHEARSALS = 3  # updates of a form before it is recorded; the last is looked at
MOST_FORMS = 64  # each holds memory; those beyond are updated without a graph
MOST_CHANGES = 3  # of a setting, without a graph computed in between

Update: TypeAlias = Callable[[Sequence[Any]], StepResult]


def capture_updates(
    model: nn.Module, criterion: object, optimizers: Sequence[Optimizer], precision: str
) -> "CapturedUpdate | None":
    """What computes updates by graphs; None, after a warning, where there can be none."""
    if reason := obstacle_in_setup(model, optimizers, precision):
        warnings.warn(f"capture=True does nothing: {reason}", stacklevel=3)
        return None
    device = device_of(model)
    return CapturedUpdate(model, criterion, optimizers, CudaRecorder(device), device)


@dataclasses.dataclass
class Recorded:
    """A graph, and the memory that it works on.

    Attributes:
        inputs: the tensors of the micro-batches.
        compute: computes the update.
        result: what it measures.
        gradients: of the parameters.
        memory: all else that it reads or writes.
    """

    inputs: list[Tensor]
    compute: Callable[[], None]
    result: StepResult
    gradients: list[tuple[nn.Parameter, Tensor | None]]
    memory: list[Tensor]

    def __call__(self, tensors: Sequence[Tensor]) -> StepResult:
        """Update by micro-batches of other tensors; the result has memory of its own."""
        for own, tensor in zip(self.inputs, tensors, strict=True):
            own.copy_(tensor)
        self.compute()
        for parameter, gradient in self.gradients:  # another graph's may have taken their place
            parameter.grad = gradient
        loss, weight, grad_norm = map(_copied, (self.result.loss, self.result.weight, self.result.grad_norm))
        return StepResult(loss, weight, self.result.num_items, grad_norm)


@dataclasses.dataclass
class Form:
    """What the batches of one graph have in common.

    Attributes:
        structure: of the micro-batches.
        layout: shape, strides and type of each tensor in them.
        num_rehearsals: updates that were made without a graph.
        recorded: the graph, once there is one.
    """

    structure: TreeSpec
    layout: list[Any]
    num_rehearsals: int = 0
    recorded: Recorded | None = None


class CapturedUpdate:
    """Makes updates by a graph for each form of batches; the first ones without, from which it learns.

    Once something cannot be recorded, one warning says why, and all further updates are made without a graph.
    The optimizers' settings are looked at in each update, and by :meth:`look_again` the model, the criterion
    and the optimizers' states: what has changed is recorded anew.

    Args:
        model: what is updated.
        criterion: what it is trained with.
        optimizers: whose steps the updates make.
        recorder: records.
        device: where the model is.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: object,
        optimizers: Sequence[Optimizer],
        recorder: Recorder,
        device: torch.device,
    ) -> None:
        self._model = model
        self._criterion = criterion
        self._optimizers = optimizers
        self._modules = [model, criterion] if isinstance(criterion, nn.Module) else [model]
        self._recorder: Recorder | None = recorder
        self._device = device
        self._forms: list[Form] = []
        self._settings: list[Any] = []
        self._num_changes = 0  # of the settings, since a graph was last computed
        self._held: list[Any] = []  # so that no other object gets an address that is compared
        self._looks: list[Any] = []
        self._is_compiled = any(_is_compiled(part) for module in self._modules for part in module.modules())

    def __call__(self, update: Update, micro_batches: Sequence[Any]) -> StepResult:
        """Update by micro-batches, as ``update`` does."""
        if self._recorder is None:
            return update(micro_batches)
        batches = flatten(micro_batches, self._device)
        self._look_at_settings()
        reason = self._obstacle(batches)
        form = None if reason else self._form(batches)
        if form is not None and form.recorded is None:
            self.look_again()  # the graphs of other forms may be out of date
        if form is None:
            result = update(micro_batches)
        elif form.num_rehearsals < NUM_REHEARSALS:
            result, reason = self._rehearse(self._recorder, form.num_rehearsals + 1, update, batches)
            form.num_rehearsals += 1
        else:
            if form.recorded is None:
                form.recorded = self._record(self._recorder, update, batches)
            self._num_changes = 0
            result = form.recorded(batches.tensors)
        if reason:
            self._stop(reason)
        return result

    def look_again(self) -> None:
        """Forget the graphs if anything is no longer what it was when they were recorded."""
        if self._looks and self._looks != look(self._modules, self._optimizers):
            self._forget()

    def _look_at_settings(self) -> None:
        """Forget the graphs if a setting in the optimizers' groups is another, or a state was loaded."""
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        values = [value for group in groups for name, value in group.items() if name != "params"]
        values += [optimizer.state for optimizer in self._optimizers]
        settings = [id(value) if isinstance(value, Tensor | dict) else value for value in values]
        if settings != self._settings:
            self._forget()
            self._settings, self._held = settings, values
            self._num_changes += 1

    def _obstacle(self, batches: FlatBatches) -> str | None:
        """Why an update by these has no graph; None if it may have one."""
        if self._num_changes > MOST_CHANGES:
            return CHANGING
        if batches.lengths and self._is_compiled:
            return COMPILED
        return batches.obstacle or obstacle_in_batch(batches.tensors, self._device)

    def _form(self, batches: FlatBatches) -> Form | None:
        """The form of micro-batches; None for one more than are kept."""
        layout = batches.layout
        for form in self._forms:
            if form.layout == layout and form.structure == batches.structure:
                return form
        if len(self._forms) == MOST_FORMS:
            return None
        self._forms.append(Form(batches.structure, layout))
        return self._forms[-1]

    def _rehearse(
        self, recorder: Recorder, number: int, update: Update, batches: FlatBatches
    ) -> tuple[StepResult, str | None]:
        """Update without a graph; returns why it cannot be recorded as well, or None where it may."""
        if number == NUM_REHEARSALS - 1 and batches.lengths:
            return self._follow_lengths(update, batches)
        if number < NUM_REHEARSALS:  # what only the first updates read and assign does not matter
            return recorder.rehearse(partial(update, batches.given), watch=False)[0], None
        before = look(self._modules, self._optimizers)
        as_recorded = partial(update, batches.filled(batches.tensors))
        with batches.keep_padded():
            result, reason = recorder.rehearse(as_recorded, watch=not self._is_compiled)
        return result, (
            reason
            or obstacle_in_hooks(self._modules, self._optimizers)
            or obstacle_in_gradients(self._model, self._criterion, self._optimizers)
            or assigned(before, look(self._modules, self._optimizers))
        )

    def _follow_lengths(self, update: Update, batches: FlatBatches) -> tuple[StepResult, str | None]:
        """Update by lengths on the CPU; who does more than copy them would fail, or wait, by the device's."""
        if reason := obstacle_in_hooks(self._modules, self._optimizers):  # they would see padding
            return update(batches.given), reason
        elsewhere = ElsewhereMode(self._device, movable=batches.lengths)
        with batches.keep_padded(), elsewhere:
            result = update(batches.given)
        return result, f"lengths are needed on the CPU: {elsewhere.found[0]}" if elsewhere.found else None

    def _record(self, recorder: Recorder, update: Update, batches: FlatBatches) -> Recorded:
        inputs = [tensor.clone() for tensor in batches.tensors]
        with batches.keep_padded():
            result, compute = recorder.record(partial(update, batches.filled(inputs)))
        self._looks = look(self._modules, self._optimizers)
        # what the graph reads and writes stays there, even if its owner gets another tensor
        memory = [tensor.detach() for _, tensor in tensors_of(self._modules, self._optimizers)]
        gradients = [(parameter, parameter.grad) for parameter in parameters_of(*self._optimizers)]
        return Recorded(inputs, compute, result, gradients, memory)

    def _forget(self) -> None:
        """Let go of the graphs; two updates of each form are made without before it is recorded anew."""
        self._looks = []
        if self._recorder is not None and any(form.recorded for form in self._forms):
            self._recorder.forget()
        for form in self._forms:
            form.recorded = None
            form.num_rehearsals = min(form.num_rehearsals, NUM_REHEARSALS - 2)

    def _stop(self, reason: str) -> None:
        """Record no more, and say why."""
        self._recorder, self._forms, self._held = None, [], []
        warnings.warn(f"capture=True ends here, updates go on without a graph: {reason}", stacklevel=4)


def _is_compiled(module: nn.Module) -> bool:
    return getattr(module, "_compiled_call_impl", None) is not None or unwrap(module) is not module


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
