"""What every classifier's ``reset_head`` does."""

from torch import nn

from practicezoo.arguments import check_count

__all__ = ["new_head"]


def new_head(head: nn.Linear, num_classes: int) -> nn.Linear:
    """A fresh head for ``num_classes`` in the place of ``head``."""
    check_count(num_classes=num_classes)
    return nn.Linear(head.in_features, num_classes, device=head.weight.device, dtype=head.weight.dtype)
