"""Classifiers with auxiliary heads on the way, for training only (Szegedy et al., arXiv:1409.4842)."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_fraction
from practicezoo.blocks.checks import is_traced
from practicezoo.models.classifier import Classifier
from practicezoo.models.families.transform_input import MEANS, TransformInput
from practicezoo.models.image import ImageClassifier

__all__ = ["AuxiliaryHead", "AuxiliaryLogits", "InceptionClassifier"]


class AuxiliaryLogits(NamedTuple):
    """What a network with auxiliary heads returns in training mode.

    Attributes:
        logits: of the last head, ``(N, num_classes)``.
        auxiliary: of each auxiliary head, of the same shape, in the order in which the heads stand.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


class AuxiliaryHead(Classifier):
    """Layers from a feature map to a vector, and a linear head."""

    def __init__(self, layers: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.layers = layers
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a feature map."""
        return self.head(self.layers(features))


class InceptionClassifier(ImageClassifier):
    """Stages, the mean over all places, dropout and a linear head, with auxiliary heads after some stages.

    Attributes:
        smallest_auxiliary_size: height and width that images must have at least for the auxiliary heads.
        spare_tensors: how the names of trained tensors begin that are passed over where no head takes them.

    Args:
        features: the stages by name.
        auxiliary_heads: by the name of the stage that each one reads; none leaves them out.
        dropout: dropout probability of what the head reads.
        transform_input: whether :class:`TransformInput` comes first.
        in_channels: channels of the images.
        num_classes: classes.
        device: where the head's parameters live.
        dtype: type of the head's parameters.
    """

    smallest_auxiliary_size = 1
    spare_tensors = ("auxiliary_heads.",)

    def __init__(
        self,
        features: nn.Sequential,
        *,
        auxiliary_heads: Mapping[str, AuxiliaryHead],
        dropout: float,
        transform_input: bool,
        in_channels: int,
        num_classes: int,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        check_fraction(dropout=dropout)
        if transform_input and in_channels != len(MEANS):
            raise ValueError(f"in_channels must be 3 for transform_input, got {in_channels}")
        super().__init__(
            features,
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=None,
            device=device,
            dtype=dtype,
        )
        self.transform_input = transform_input
        self.preprocess = TransformInput() if transform_input else nn.Identity()
        self.dropout = dropout
        self.drop = nn.Dropout(dropout)
        self.auxiliary_heads = nn.ModuleDict(auxiliary_heads)
        self.auxiliary = bool(auxiliary_heads)
        if self.auxiliary:
            self.example_size = max(self.example_size, self.smallest_auxiliary_size)

    def forward(self, images: Tensor) -> Any:
        """Logits; in training mode with auxiliary heads :class:`AuxiliaryLogits`."""
        if not (self.training and self.auxiliary):
            return super().forward(images)
        self.check_images(images)
        self._check_auxiliary_size(images)
        features, auxiliary = self.preprocess(images), []
        for name, stage in self.features.named_children():
            features = stage(features)
            if name in self.auxiliary_heads:
                auxiliary.append(self.auxiliary_heads[name](features))
        return AuxiliaryLogits(self.forward_head(features), tuple(auxiliary))

    def forward_features(self, images: Tensor) -> Tensor:
        """The feature map, which :meth:`forward_head` reads."""
        self.check_images(images)
        return self.features(self.preprocess(images))

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a feature map."""
        return self.head(self.drop(self._head_inputs(features)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the head, and the last layer of each auxiliary head, by fresh ones for other classes."""
        super().reset_head(num_classes)
        for head in self.auxiliary_heads.values():
            cast("AuxiliaryHead", head).reset_head(num_classes)

    def _check_auxiliary_size(self, images: Tensor) -> None:
        size = self.smallest_auxiliary_size
        if not is_traced(images) and min(images.shape[2:]) < size:
            raise ValueError(
                f"{type(self).__name__}'s auxiliary heads expect images of at least {size} x {size} pixels, "
                f"got {tuple(images.shape)}: train smaller ones with auxiliary=False"
            )
