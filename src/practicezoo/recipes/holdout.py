"""Keeping part of the training data for validation, or out of the training altogether."""

import dataclasses

import torch
from torch import Tensor

from practicezoo.recipes.recipe import Splits
from practicezoo.sequences import PaddedSequence

__all__ = ["hold_out", "set_aside"]


def hold_out(targets: Tensor, *, fraction: float, seed: int) -> Tensor:
    """Choose rows for validation at random, of each class in its proportion.

    Args:
        targets: class indices ``(N,)``.
        fraction: the fraction of each class to hold out, rounded; one row of it at least is left.
        seed: seeds the choice.

    Returns:
        A mask ``(N,)``, true at the rows that are held out.

    Example:
        >>> hold_out(torch.tensor([0, 0, 0, 0, 1, 1]), fraction=0.5, seed=0).sum()
        tensor(3)
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(targets), dtype=torch.bool, device="cpu")
    for label in targets.unique():
        rows = (targets == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator, device="cpu")]
        held_out[rows[: min(round(fraction * len(rows)), len(rows) - 1)]] = True
    return held_out


def set_aside(
    splits: Splits, *, fraction: float, seed: int
) -> tuple[Splits, tuple[Tensor | PaddedSequence, Tensor]]:
    """The data with less to train on, and the rows that were taken away.

    Args:
        splits: the data.
        fraction: the fraction of each class of the training data to take away.
        seed: seeds the choice.

    Raises:
        ValueError: if there are too few samples of each class to take one.
    """
    targets = splits.train[1]
    mask = hold_out(targets.flatten(), fraction=fraction, seed=seed)
    if not mask.any():
        raise ValueError(
            f"{splits.source} must have enough samples of each class to keep a fraction of {fraction} out, "
            f"got {len(targets)} of {len(splits.classes)} classes"
        )
    return dataclasses.replace(splits, train=splits.part(~mask)), splits.part(mask)
