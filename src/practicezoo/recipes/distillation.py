"""Several networks made into one: the mean of their answers becomes what it learns."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from practicezoo.data import TensorLoader
from practicezoo.recipes.experiment import Experiment
from practicezoo.recipes.recipe import Distillation
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.training import predict

__all__ = ["distilled", "soft_targets"]


def distilled(
    experiment: Experiment,
    distillation: Distillation,
    folder: RunFolder,
    *,
    extra: Mapping[str, Any],
    progress: bool,
) -> Experiment:
    """The experiment with its teachers' answers in the place of the labels.

    The teachers train first, each from the newest of its checkpoints on, where there are any; those have
    ``extra`` in them. Each trains from a seed of its own, which is no other run's teacher's.
    """
    inputs, targets = experiment.splits.train
    loader = TensorLoader(
        inputs,
        targets,
        batch_size=1024,
        device=experiment.device,
        transform=experiment.splits.transform,
        num_replicas=1,  # every process needs all answers
    )
    answers = []
    for number in range(distillation.num_teachers):
        if progress:
            print(f"teacher {number + 1} of {distillation.num_teachers}", flush=True)
        seed = (experiment.seed * distillation.num_teachers + number) % 2**32
        teacher = dataclasses.replace(experiment, setting=distillation.teacher, seed=seed)
        model = teacher.refit(distillation.teacher.epochs, folder.teacher(number + 1), extra=extra)
        answers.append(predict(model, loader))
    soft = soft_targets(torch.stack(answers), targets, lowered=distillation.lowered)
    return dataclasses.replace(
        experiment, splits=dataclasses.replace(experiment.splits, train=(inputs, soft))
    )


def soft_targets(logits: Tensor, targets: Tensor, *, lowered: float) -> Tensor:
    """The mean of several networks' probabilities, those of frequent classes lowered.

    Args:
        logits: of each network.
        targets: class indices ``(N,)``, whose frequencies count.
        lowered: the fraction of its log frequency that is taken from each class's log probability.

    Shape:
        - logits: ``(networks, N, num_classes)``
        - output: probabilities ``(N, num_classes)``

    Example:
        >>> soft_targets(torch.zeros(3, 4, 2), torch.tensor([0, 0, 0, 1]), lowered=1.0)[0]
        tensor([0.2500, 0.7500])
    """
    frequency = targets.bincount(minlength=logits.shape[-1]).clamp(min=1) / len(targets)
    log_mean = logits.softmax(dim=-1).mean(dim=0).log()
    return (log_mean - lowered * frequency.log()).softmax(dim=-1)
