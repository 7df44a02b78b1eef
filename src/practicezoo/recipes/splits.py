"""Keeping part of the training data for validation."""

import torch
from torch import Tensor

__all__ = ["stratified_split"]


def stratified_split(targets: Tensor, *, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split row numbers in two, with each class in its proportion.

    Args:
        targets: class indices ``(N,)``.
        share: the share of each class that the second part gets, rounded; a class keeps at least one
            row in the first part.
        seed: seeds the choice.

    Returns:
        The row numbers of both parts, each in rising order.

    Example:
        >>> kept, held_out = stratified_split(torch.tensor([0, 0, 0, 0, 1, 1]), share=0.5, seed=0)
        >>> len(kept), len(held_out)
        (3, 3)
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    for label in targets.unique():
        rows = (targets == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        held_out[rows[: min(round(share * len(rows)), len(rows) - 1)]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()
