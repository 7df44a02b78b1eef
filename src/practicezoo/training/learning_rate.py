"""The learning rate range test, after Smith (arXiv:1506.01186)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

from practicezoo.arguments import check_restartable
from practicezoo.batches import no_batch
from practicezoo.metrics.loss import Criterion
from practicezoo.runtime.collectives import sum_over_ranks
from practicezoo.runtime.precision import Precision
from practicezoo.runtime.preserve import preserve_loaders, preserve_model
from practicezoo.training.result import StepResult
from practicezoo.training.step import TrainStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LearningRateCurve", "find_learning_rate"]

LOOK_EVERY = 10  # updates between looks at the loss: what is done in vain after a divergence is undone anyway
MOMENTUM = 0.9  # of the running loss that tells a divergence
RISE = 3.0  # of the running loss above its least, as a multiple of what was at stake
SMOOTHING = 0.03  # of the sweep's length: the standard deviation of the window that smooths the losses


@dataclass(frozen=True)
class LearningRateCurve:
    """The loss over the learning rate, as :func:`find_learning_rate` found it.

    Other libraries' LearningRateFinder shows the same curve.

    Attributes:
        learning_rates: of the updates, rising exponentially, up to where the loss diverged.
        losses: of each update's batch, before it.

    Example:
        >>> curve = LearningRateCurve((0.001, 0.01, 0.1, 1.0), (2.0, 1.8, 0.3, 0.2))
        >>> curve.suggestion
        0.01
    """

    learning_rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> tuple[float, ...]:
        """The losses' mean over near learning rates, weighted by a Gaussian, which lags to no side.

        A loss counts as no more than the greatest of the first tenth, so that a divergence does not reach far
        back.
        """
        losses = torch.tensor(self.losses, dtype=torch.float64)
        losses = losses.clamp(max=losses[: 1 + self._margin].max())
        places = torch.arange(len(losses))
        distances = (places[:, None] - places) / (SMOOTHING * len(places))
        return tuple((distances.square().div(-2).double().softmax(dim=1) @ losses).tolist())

    @property
    def suggestion(self) -> float | None:
        """The learning rate where the smoothed loss falls most steeply; None if it never falls.

        Steepness is taken over the logarithm of the learning rate, between the first tenth, where nothing is
        learned yet, and the least loss. It is where fastai's ``lr_find(suggest_funcs=steep)`` looks: a rate
        to begin with, or the greatest one of a schedule.
        """
        smoothed = self.smoothed
        lowest = smoothed.index(min(smoothed))
        places = range(1 + self._margin, lowest)
        slopes = {place: smoothed[place + 1] - smoothed[place - 1] for place in places}
        steepest = min(slopes, key=slopes.__getitem__, default=None)
        return None if steepest is None or slopes[steepest] >= 0 else self.learning_rates[steepest]

    @property
    def _margin(self) -> int:
        return len(self.losses) // 10

    def plot(self) -> "Axes":
        """Draw losses over learning rates, the suggestion marked; needs the extra ``plot``.

        Returns:
            The figure's axes.
        """
        from practicezoo.plotting import plot_learning_rate

        return plot_learning_rate(self)


def find_learning_rate(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    criterion: Criterion,
    optimizer: Optimizer | Sequence[Optimizer],
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    num_updates: int = 100,
    precision: Precision = "fp32",
    max_grad_norm: float | None = None,
) -> LearningRateCurve:
    """Train a little at exponentially rising learning rates, see when the loss falls and when it diverges.

    The sweep ends where the running loss has risen above its least value by three times the greater of
    that value and of what had been gained, or a loss is NaN or infinite. Afterwards everything is restored,
    also after an exception: model, gradients, optimizer, training flags, random numbers, the loader's
    generator.

    Args:
        model: any module; batches follow its device.
        loader: gives pairs of inputs and targets; gone through again if it is too short.
        criterion: called with outputs and targets, returns a scalar.
        optimizer: one optimizer, or several; all parameter groups get the same learning rate meanwhile.
        min_lr: the first learning rate.
        max_lr: the last.
        num_updates: how many learning rates to try, one in an update.
        precision: "fp32", "bf16" or "fp16"; see :class:`TrainStep`.
        max_grad_norm: clips the gradient's norm to this, as it is to be in training.

    Returns:
        The curve, with a ``suggestion`` and a ``plot``.

    Raises:
        ValueError: if ``min_lr`` is not positive or not below ``max_lr``, ``num_updates`` is below 3, the
            loader gives no batch or can be gone through only once; and as :class:`TrainStep`.
        FloatingPointError: if the loss is NaN or infinite in the first update.

    Example:
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> model = nn.Linear(1, 1)
        >>> curve = find_learning_rate(
        ...     model,
        ...     list(zip(x.split(16), (2 * x).split(16))),
        ...     criterion=nn.MSELoss(),
        ...     optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        ... )
        >>> 0.01 < curve.suggestion < 10
        True

    Source: Smith, "Cyclical learning rates for training neural networks" (arXiv:1506.01186), section 3.3.
    """
    if not 0 < min_lr < max_lr < math.inf:
        raise ValueError(f"min_lr must be positive and below max_lr, got {min_lr} and {max_lr}")
    if num_updates < 3:  # a slope needs them
        raise ValueError(f"num_updates must be at least 3, got {num_updates}")
    check_restartable(loader=loader)
    step = TrainStep(model, optimizer, criterion, precision=precision, max_grad_norm=max_grad_norm)
    ratio = max_lr / min_lr
    rates = [min_lr * ratio ** (number / (num_updates - 1)) for number in range(num_updates)]
    with (
        preserve_model(model, criterion=criterion, optimizers=step.optimizers),
        preserve_loaders(loader),
        torch.enable_grad(),
    ):
        step.train_mode()
        losses = _sweep(step, loader, rates)
    if not losses:
        raise FloatingPointError(f"the loss was NaN or infinite before the first update, at {min_lr:.3g}")
    return LearningRateCurve(tuple(rates[: len(losses)]), tuple(losses))


def _sweep(step: TrainStep, loader: Iterable[Any], rates: Sequence[float]) -> list[float]:
    """The losses at these learning rates, as many as there are before the divergence."""
    losses: list[float] = []
    unread: list[StepResult] = []
    for number, (rate, batch) in enumerate(zip(rates, _endless(loader), strict=False), start=1):
        for optimizer in step.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        unread.append(step([batch]))
        if number % LOOK_EVERY == 0 or number == len(rates):
            losses += _read(unread)
            unread.clear()
            end = _divergence(losses)
            if end < len(losses):
                return losses[:end]
    return losses


def _read(results: Sequence[StepResult]) -> list[float]:
    """The losses over all ranks' batches, so that all ranks stop together."""
    loss_sums = torch.stack([result.loss_sum for result in results]).tolist()
    device = results[0].loss.device
    weights = torch.stack([torch.as_tensor(each.weight, device=device) for each in results]).tolist()
    sums = [float(value) for value in sum_over_ranks(*loss_sums, *weights)]
    pairs = zip(sums[: len(results)], sums[len(results) :], strict=True)
    return [loss_sum / weight if weight else math.nan for loss_sum, weight in pairs]


def _divergence(losses: Sequence[float]) -> int:
    """The index of the first loss at which the running loss had diverged; their number if there is none."""
    total = first = least = 0.0
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            return index
        total = MOMENTUM * total + (1 - MOMENTUM) * loss
        running = total / (1 - MOMENTUM ** (index + 1))
        if index < LOOK_EVERY:  # batches differ: wait for a mean of several
            first = least = running
        least = min(least, running)
        if running - least > RISE * max(abs(least), first - least):
            return index
    return len(losses)


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        is_empty = True
        for batch in loader:
            is_empty = False
            yield batch
        if is_empty:
            raise no_batch()
