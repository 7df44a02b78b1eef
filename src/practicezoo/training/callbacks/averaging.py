"""Exponential moving averages of the weights, through ``torch.optim.swa_utils``."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from practicezoo.arguments import check_fraction
from practicezoo.batches import unwrap
from practicezoo.runtime.device import device_of
from practicezoo.training.callbacks.callback import Callback
from practicezoo.training.result import StepResult
from practicezoo.training.run import Run

__all__ = ["WeightAveraging"]

STATISTICS = ("running_mean", "running_var")


class WeightAveraging(Callback):
    """Keeps an exponential moving average of the weights beside the model, calmer than the last weights.

    The first update's weights are taken as they are; after each later one ``averaged = decay * averaged +
    (1 - decay) * weights``, which looks back over about ``1 / (1 - decay)`` updates: choose that well below
    the run's number of updates. The running statistics of batch norm are averaged in the same way, so that
    they belong to the averaged weights and the average can be evaluated after any epoch, with no further pass
    over the data; all other buffers (counters, masks, constants) are the model's.

    The average is ``get_ema_multi_avg_fn`` of ``torch.optim.swa_utils``. Its ``AveragedModel`` would send a
    count to the GPU in each update, which waits for it, and would average counters and infinite masks too.

    Args:
        model: the model that is to be trained.
        decay: how much of the average stays in an update; 0 gives the last weights.
        copy_back: whether the model gets the averaged weights when the run ends, stopped early or not.

    Attributes:
        averaged: a module like the model, on its device, in evaluation mode: evaluate, predict with and
            save it as any other.
        num_updates: how many updates it has seen.

    Raises:
        ValueError: if ``decay`` is outside [0, 1), or another model is trained than the one given.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> averaging = WeightAveraging(model, decay=0.99)  # fit(model, ..., callbacks=[averaging])
        >>> averaging.averaged
        Linear(in_features=2, out_features=1, bias=True)

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.999, copy_back: bool = False) -> None:
        check_fraction(decay=decay)
        self.decay = decay
        self.copy_back = copy_back
        self._model = unwrap(model)
        self.averaged = copy.deepcopy(self._model).eval()
        self.num_updates = 0
        self._average = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def on_step_end(self, run: Run, result: StepResult) -> None:  # the hook's signature
        """Let the new weights flow into the average; nothing is read from the device."""
        if run.model is not self._model:
            raise ValueError("model must be the one that is trained, got another one")
        if device_of(self.averaged) != (device := device_of(run.model)):
            self.averaged.to(device)  # the model has moved since
        averaged, copied = _tensors(self.averaged)
        weights, others = _tensors(run.model)
        if self.num_updates == 0:
            averaged, copied, weights, others = [], [*averaged, *copied], [], [*weights, *others]
        if averaged:
            self._average(averaged, weights, self.num_updates)
        for ours, theirs in zip(copied, others, strict=True):
            ours.copy_(theirs)
        self.num_updates += 1

    def on_run_end(self, run: Run) -> None:
        """Give the model the averaged weights if they are wanted."""
        if self.copy_back:
            run.model.load_state_dict(self.averaged.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights and what they rest on, for a checkpoint."""
        return {"averaged": dict(self.averaged.state_dict()), "num_updates": self.num_updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.averaged.load_state_dict(state["averaged"])
        self.num_updates = state["num_updates"]


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """What is averaged, and what is copied."""
    averaged: list[Tensor] = list(model.parameters())
    copied: list[Tensor] = []
    for name, buffer in model.named_buffers():
        (averaged if name.endswith(STATISTICS) else copied).append(buffer)
    return averaged, copied
