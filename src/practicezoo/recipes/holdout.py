"""Keeping part of the training data for validation."""

import torch
from torch import Tensor

__all__ = ["hold_out"]


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
