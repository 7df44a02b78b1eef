"""Measuring a model, and collecting its outputs, without changing it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DistributedSampler

from practicezoo.arguments import check_instances
from practicezoo.batches import ModelCall, check_loaders, check_model, move_to, no_batch, split_batch
from practicezoo.metrics.loss import Criterion, WeightedLoss, nothing_counted
from practicezoo.metrics.metric import Function, Metric, as_metrics, check_reads_logits, values_of
from practicezoo.metrics.running_mean import RunningMean
from practicezoo.runtime.collectives import sum_over_ranks
from practicezoo.runtime.device import device_of
from practicezoo.runtime.loaders import loader_parts
from practicezoo.runtime.precision import Precision, autocast, check_precision
from practicezoo.runtime.preserve import preserve_training_mode
from practicezoo.training.replica import without_exchange

__all__ = ["evaluate", "evaluation_mode"]


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    criterion: Criterion | None = None,
    metrics: Mapping[str, Metric | Function] | None = None,
    precision: Precision = "fp32",
) -> dict[str, float]:
    """Measure loss and metrics over all batches: exact for every batch size.

    The loss is the mean over all items, not a mean of batch means. The model is in evaluation mode
    meanwhile; afterwards every submodule has its training flag back, also after an error.

    Over several processes each measures its shard, which may be smaller than the others' or empty, and all
    get the values over all items; every rank must call it. A model sharded by ``fully_shard`` needs
    equally many batches on every rank.

    Args:
        model: any module; batches follow its device.
        loader: gives pairs of inputs and targets.
        criterion: called with outputs and targets; its mean is reported as "loss".
        metrics: by name, objects with ``update(outputs, targets)``, ``compute()`` and ``reset()``, or
            functions of outputs and targets, which are averaged over items. A vector's values are reported
            as "NAME_0" and so on, a dict's as "NAME_KEY".
        precision: "fp32", or "bf16" / "fp16" for autocast.

    Returns:
        The values by name.

    Raises:
        ValueError: if the loader gives no batch, there is nothing to measure, a metric is called
            "loss" beside a criterion, ``precision`` is unknown, a class index for the criterion is out
            of range (see :class:`TrainStep`; metrics alone do not look), or a DistributedSampler repeats
            samples to make the shards even.
        TypeError: if a batch is not a pair.

    Example:
        >>> from practicezoo.training import Accuracy
        >>> batches = [(torch.eye(2), torch.tensor([0, 1]))]
        >>> evaluate(nn.Identity(), batches, metrics={"accuracy": Accuracy()})
        {'accuracy': 1.0}
    """
    check_model(model)
    check_precision(precision)
    check_instances(criterion=criterion)
    check_loaders(loader=loader)
    device = device_of(model)
    measures = as_metrics(metrics, device)
    check_reads_logits(criterion, measures)
    if criterion is None and not measures:
        raise ValueError("criterion or metrics must be given, got neither")
    if criterion is not None and "loss" in measures:
        raise ValueError("metrics must not be named 'loss' beside a criterion")
    model = without_exchange(model)
    _check_counts_once(loader)
    call = ModelCall(model)
    loss = None if criterion is None else WeightedLoss(criterion)
    losses = RunningMean()
    num_batches: Tensor | float = 0
    with evaluation_mode(model):
        for batch in loader:
            inputs, targets = split_batch(batch)
            with autocast(device, precision):
                outputs = call(move_to(inputs, device))
                if loss is None:
                    targets = move_to(targets, device)
                else:
                    targets = loss.move_targets(outputs, targets, device)
                    part = loss.part(outputs, targets, loss.weight(targets, inputs=inputs))
                    losses.add(loss.mean([part]), part.weight)
            for name, metric in measures.items():
                _update(name, metric, outputs, targets)
            num_batches += 1
    loss_sum, weight, num_batches = sum_over_ranks(*losses.totals(), num_batches)
    if num_batches == 0:
        raise no_batch()
    results = {}
    if loss is not None:
        if weight == 0:
            raise nothing_counted()
        results["loss"] = float(loss_sum / weight)
    for name, metric in measures.items():
        results |= values_of(name, metric)
    return results


def _update(name: str, metric: Metric, outputs: Any, targets: Any) -> None:
    try:
        metric.update(outputs, targets)
    except Exception as error:
        what = type(outputs).__name__ + (
            f" of shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else ""
        )
        error.add_note(f"raised by the metric {name!r}, which got outputs of type {what}")
        raise


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every submodule gets its training flag back at the end."""
    with preserve_training_mode(model), torch.no_grad():  # inference tensors could not be trained with later
        model.eval()
        yield


def _check_counts_once(loader: Any) -> None:
    """Raise ValueError for a sampler that gives some samples to two ranks."""
    for sampler in loader_parts(loader):
        if not isinstance(sampler, DistributedSampler):
            continue
        num_repeated = sampler.total_size - len(sampler.dataset)  # type: ignore[arg-type]
        if num_repeated > 0:
            raise ValueError(
                f"loader must give each sample once, but its DistributedSampler gives {num_repeated} of them "
                "twice to make the shards even: use Subset(dataset, range(rank, len(dataset), world_size))"
            )
