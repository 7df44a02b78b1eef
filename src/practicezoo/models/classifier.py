"""What every classifier has: a linear head that can be replaced."""

from torch import nn

from practicezoo.arguments import check_count

__all__ = ["Classifier"]


class Classifier(nn.Module):
    """Base class of networks that end in a linear layer, ``head``."""

    head: nn.Linear

    @property
    def num_classes(self) -> int:
        """Number of logits of a sample."""
        return self.head.out_features

    def reset_head(self, num_classes: int) -> None:
        """Replace the head by a fresh one, to fine-tune on other classes.

        Make the optimizer afterwards: one that was made before still holds the old parameters.

        Args:
            num_classes: number of logits of the fresh head.

        Raises:
            ValueError: if ``num_classes`` is below 1.
        """
        check_count(num_classes=num_classes)
        old = self.head
        self.head = nn.Linear(old.in_features, num_classes, device=old.weight.device, dtype=old.weight.dtype)
