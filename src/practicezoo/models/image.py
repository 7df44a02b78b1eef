"""Base of the image classifiers: a feature extractor, a linear head, and a check of the images."""

import copy
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from practicezoo.arguments import check_count
from practicezoo.blocks import ConvNormAct
from practicezoo.blocks.checks import check_shape, is_traced
from practicezoo.blocks.factories import ActivationFactory, NormFactory, build_activation
from practicezoo.models.classifier import Classifier
from practicezoo.models.extraction import feature_maps

__all__ = ["FeatureInfo", "ImageClassifier", "conv_pool"]

PERIOD = 20160  # a multiple of every reduction that is met


class FeatureInfo(NamedTuple):
    """A stage of an image model.

    Attributes:
        name: its module's, for :func:`~practicezoo.feature_maps` and torchvision's
            ``create_feature_extractor``.
        channels: channels of its feature map.
        reduction: pixels of the image between neighbouring places of the map.
    """

    name: str
    channels: int
    reduction: int


class ImageClassifier(Classifier):
    """Feature extractor and linear head, which reads the flattened feature map or the mean over its places.

    With an ``image_size`` the map is flattened, and images must have that size. With ``image_size=None``
    it is averaged over height and width, and images may have any size that ``features`` take. The size of
    the head's input is derived by running ``features`` once, on one image of zeros. Compose a network of
    your own from any blocks, or subclass it as :class:`~practicezoo.CNN` does.

    Attributes:
        example_size: height and width of the example image where ``image_size`` is None.
        smallest_size: height and width that images must have at least where ``image_size`` is None.

    Args:
        features: module from images to a feature map or vector.
        in_channels: channels of the images.
        num_classes: classes.
        image_size: height and width of the images; None for any, of which the head reads the mean.
        device: where the head's parameters live.
        dtype: type of the head's parameters.

    Shape:
        - input: ``(N, in_channels, image_size, image_size)``, floating point; ``(N, in_channels, H, W)`` if
          ``image_size`` is None
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
        >>> anysize = ImageClassifier(features, in_channels=3, image_size=None)
        >>> anysize(torch.randn(2, 3, 40, 60)).shape
        torch.Size([2, 10])
    """

    example_size = 64
    smallest_size = 1

    def __init__(
        self,
        features: nn.Module,
        *,
        in_channels: int = 1,
        num_classes: int = 10,
        image_size: int | None = 28,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_count(in_channels=in_channels, num_classes=num_classes)
        if image_size is not None:
            check_count(image_size=image_size)
        if not isinstance(features, nn.Module):
            raise TypeError(f"features must be an nn.Module, got {features!r}")
        self.in_channels = in_channels
        self.image_size = image_size
        self.features = features
        self.head = nn.Linear(self._count_features(), num_classes, device=device, dtype=dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a batch of images; see the class for shapes."""
        return self.forward_head(self.forward_features(images))

    def check_images(self, images: Tensor) -> None:
        """Raise unless these are images that the model takes, as the class says."""
        size = ("H", "W") if self.image_size is None else (self.image_size, self.image_size)
        check_shape(self, images, ("N", self.in_channels, *size), floating=True, noun="images")
        if self.image_size is None and not is_traced(images) and min(images.shape[2:]) < self.smallest_size:
            raise ValueError(
                f"{type(self).__name__} expects images of at least {self.smallest_size} x "
                f"{self.smallest_size} pixels, of which its strides leave any, got {tuple(images.shape)}"
            )

    def forward_features(self, images: Tensor) -> Tensor:
        """The feature map, which :meth:`forward_head` reads."""
        self.check_images(images)
        return self.features(images)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of a feature map."""
        return self.head(self._head_inputs(features))

    def example_inputs(self) -> Tensor:
        """A small batch that ``forward`` takes, of zeros."""
        return self.head.weight.new_zeros(2, self.in_channels, *[self._example_size] * 2)

    @property
    def _example_size(self) -> int:
        return self.example_size if self.image_size is None else self.image_size

    def _head_inputs(self, features: Tensor) -> Tensor:
        """What the head reads of a feature map: values ``(N, F)``."""
        return (features if self.image_size is not None else F.adaptive_avg_pool2d(features, 1)).flatten(1)

    @property
    def feature_info(self) -> list[FeatureInfo]:
        """Name, channels and reduction of each stage that makes a feature map, in the order of the stages.

        The stages are the children of ``features`` if it is an ``nn.Sequential``, else ``features`` itself.
        They run without data, on images of two sizes. If they take images of ``image_size`` only, or a stage
        makes maps of one size from all images, the reduction is how many times smaller the map is.

        Example:
            >>> from practicezoo.models import CNN
            >>> [(stage.name, stage.channels, stage.reduction) for stage in CNN().feature_info]
            [('features.0', 10, 2), ('features.1', 20, 4)]
        """
        size = self._example_size
        maps = self._map_stages(size)
        try:
            wider = self._map_stages(size + PERIOD)
        except (RuntimeError, ValueError):
            wider = maps
        infos = []
        for name, (_, channels, height, _) in maps.items():
            growth = wider[name][2] - height
            reduction = PERIOD // growth if growth else round(size / height)
            infos.append(FeatureInfo(name, channels, reduction))
        return infos

    def _map_stages(self, image_size: int) -> dict[str, torch.Size]:
        """The shape of each stage's feature map for one image of this size."""
        children = [""]
        if isinstance(self.features, nn.Sequential):
            children = [child for child, _ in self.features.named_children()]
        with torch.no_grad():
            maps = feature_maps(*self._apart(image_size, "meta"), children)
        return {
            f"features.{child}".removesuffix("."): features.shape
            for child, features in maps.items()
            if features.ndim == 4
        }

    def _apart(self, image_size: int, device: str) -> tuple[nn.Module, Tensor]:
        """A copy of ``features`` and one image of this size, to run beside the model."""
        return copy.deepcopy(self.features).to(device).eval(), self._image(image_size, device)

    def _image(self, image_size: int, device: str) -> Tensor:
        """One image of zeros, of the parameters' type."""
        parameter = next(self.features.parameters(), None)
        shape = (1, self.in_channels, image_size, image_size)
        return torch.zeros(shape, dtype=None if parameter is None else parameter.dtype, device=device)

    def _count_features(self) -> int:
        parameter = next(self.features.parameters(), None)
        # one image on the CPU takes a millisecond; what torch imports for the meta device takes seconds
        on_cpu = parameter is not None and parameter.device.type == "cpu" and parameter.dtype != torch.float16
        if on_cpu:
            features, image = self.features, self._image(self._example_size, "cpu")
        else:
            features, image = self._apart(self._example_size, "meta")
        try:
            with torch.no_grad(), _evaluating(features):
                found = features(image)
        except RuntimeError as error:
            raise ValueError(
                f"in_channels and image_size must suit {type(self).__name__}'s layers, "
                f"got {self.in_channels} and {self._example_size}: {error}"
            ) from error
        if self.image_size is None and found.ndim != 4:
            raise ValueError(
                "features must give maps (N, C, H, W) for images of any size (image_size=None), "
                f"got {tuple(found.shape)}"
            )
        return self._head_inputs(found).numel()


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: a copy of a network would take longer than the one image."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


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
