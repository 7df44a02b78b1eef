"""Base of the image classifiers: a feature extractor, a linear head, and a check of the images."""

import copy
from collections import OrderedDict

import torch
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks import ConvNormAct
from practicezoo.blocks.checks import check_shape
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation
from practicezoo.models.classifier import Classifier

__all__ = ["ImageClassifier", "conv_pool"]


class ImageClassifier(Classifier):
    """Feature extractor, flattening, linear head; takes images of one size only.

    The size of the head's input is derived by running a copy of ``features`` once, on one image of
    zeros. Compose a network of your own from any blocks, or subclass it as
    :class:`~practicezoo.CNN` does.

    Args:
        features: module from images to a feature map or vector.
        in_channels: channels of the images.
        num_classes: classes.
        image_size: height and width of the images.
        device: where the head's parameters live.
        dtype: type of the head's parameters.

    Shape:
        - input: ``(N, in_channels, image_size, image_size)``, floating point
        - output: logits ``(N, num_classes)``

    Raises:
        ValueError: if a size is below 1, ``features`` cannot take images of that size or number of
            channels, or images have another shape.
        TypeError: if ``features`` is no module, a size is no integer, or the input is not a floating-point
            tensor.

    Example:
        >>> from practicezoo.blocks import InceptionA
        >>> features = nn.Sequential(InceptionA(3, activation=nn.ReLU), nn.MaxPool2d(4))
        >>> model = ImageClassifier(features, in_channels=3, image_size=32)
        >>> model(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        features: nn.Module,
        *,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int = 28,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels, num_classes=num_classes, image_size=image_size)
        if not isinstance(features, nn.Module):
            raise TypeError(f"features must be an nn.Module, got {features!r}")
        self.in_channels = in_channels
        self.image_size = image_size
        self.features = features
        self.head = nn.Linear(self._count_features(), num_classes, device=device, dtype=dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a batch of images; see the class for shapes."""
        return self.head(self.forward_features(images).flatten(1))

    def forward_features(self, images: Tensor) -> Tensor:
        """The feature map before flattening and head."""
        shape = ("N", self.in_channels, self.image_size, self.image_size)
        check_shape(self, images, shape, floating=True, noun="images")
        return self.features(images)

    def _count_features(self) -> int:
        parameter = next(self.features.parameters(), None)
        dtype = None if parameter is None else parameter.dtype
        # one image on the CPU takes a millisecond; what torch imports for the meta device takes seconds
        on_cpu = parameter is not None and parameter.device.type == "cpu" and dtype != torch.float16
        device = "cpu" if on_cpu else "meta"
        features = copy.deepcopy(self.features).to(device).eval()
        shape = (1, self.in_channels, self.image_size, self.image_size)
        try:
            with torch.no_grad():
                return features(torch.zeros(shape, dtype=dtype, device=device)).numel()
        except RuntimeError as error:
            raise ValueError(
                f"in_channels and image_size must suit {type(self).__name__}'s layers, "
                f"got {self.in_channels} and {self.image_size}: {error}"
            ) from error


def conv_pool(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 5,
    norm: NormFactory | None = None,
    activation: ActivationFactory | None = nn.ReLU,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> "OrderedDict[str, nn.Module]":
    """The first layers of a course stage: convolution without padding, 2x2 max pooling, activation.

    Pooling first gives an increasing activation a quarter of the work and changes no bit of its result.
    """
    conv = ConvNormAct(
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        padding=0,
        norm=norm,
        activation=None,
        device=device,
        dtype=dtype,
    )
    return OrderedDict(
        conv=conv,
        pool=nn.MaxPool2d(2),
        activation=build_activation(activation, device=device, dtype=dtype),
    )
