"""Grey values to numbers around zero, for whole batches: torchvision's ToTensor and Normalize in one."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["NormalizeImages"]

MAX_VALUE = 255


class NormalizeImages:
    """Turns uint8 images into float32 with ``(images / 255 - mean) / std``, on the device they are on.

    The result equals torchvision's ``ToTensor`` and ``Normalize`` on each image bit for bit, on the CPU
    and on a GPU, in one call for the whole batch.

    Args:
        mean: the mean to subtract, between 0 and 1; one number, or one for each channel.
        std: the standard deviation to divide by, one number or one for each channel.

    Shape:
        - images: ``(N, C, H, W)`` or ``(C, H, W)``, uint8
        - output: the same, float32

    Raises:
        ValueError: if ``std`` is not positive, ``mean`` is empty, or ``mean``, ``std`` and the images differ
            in channels.
        TypeError: if the images are no uint8 tensor.

    Example:
        >>> normalize = NormalizeImages(0.5, 0.25)
        >>> normalize(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8))
        tensor([[[[-2.0000, -1.2000,  2.0000]]]])
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = _channels(mean)
        self.std = _channels(std)
        if not self.mean:
            raise ValueError("mean must hold at least one number, got none")
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean and std must have as many channels as each other, got {self.mean} and {self.std}"
            )
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be positive, got {std}")

    @classmethod
    def from_images(cls, images: Tensor) -> "NormalizeImages":
        """The normalisation that gives these images mean 0 and standard deviation 1, channel by channel.

        Args:
            images: the training images, uint8 ``(N, C, H, W)``.

        Raises:
            TypeError: if the images are no uint8 tensor.
            ValueError: if the images have another shape or no pixel, or a channel has one value only.

        Example:
            >>> images = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).view(2, 1, 1, 2)
            >>> NormalizeImages.from_images(images)
            NormalizeImages(mean=(0.5,), std=(0.5,))
        """
        _check_uint8(images)
        if images.ndim != 4:
            raise ValueError(f"images must be (N, C, H, W), got shape {tuple(images.shape)}")
        if images.numel() == 0:
            raise ValueError(f"images must hold at least one pixel, got shape {tuple(images.shape)}")
        values = torch.arange(MAX_VALUE + 1, dtype=torch.float64, device="cpu") / MAX_VALUE
        mean, std = [], []
        for channel in images.unbind(1):
            # from the histogram: exact whatever the number of images, with no copy of them in floats
            fractions = channel.flatten().bincount(minlength=MAX_VALUE + 1).cpu().double() / channel.numel()
            mean.append(float(fractions @ values))
            std.append(float((fractions @ (values - mean[-1]).square()).sqrt()))
        return cls(mean, std)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise a batch, or one image."""
        _check_uint8(images)
        num_channels = images.shape[-3] if images.ndim >= 3 else 0
        if num_channels == 0 or len(self.mean) not in {1, num_channels}:
            raise ValueError(
                f"images must be (N, C, H, W) or (C, H, W) with the {len(self.mean)} channels of mean, "
                f"got shape {tuple(images.shape)}"
            )
        scale, mean, std = _constants(self.mean, self.std, images.device)
        return images.to(torch.float32).div_(scale).sub_(mean).div_(std)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NormalizeImages):
            return NotImplemented
        return (self.mean, self.std) == (other.mean, other.std)

    def __hash__(self) -> int:
        return hash((self.mean, self.std))


def _channels(values: float | Sequence[float]) -> tuple[float, ...]:
    return (float(values),) if isinstance(values, int | float) else tuple(float(value) for value in values)


def _check_uint8(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        got = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a uint8 tensor, got {got}")


@functools.lru_cache(maxsize=64)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """What the images are divided by, reduced by and divided by, kept on their device."""
    with torch.inference_mode(mode=False):  # they outlive the block that asks for them first
        # tensors, not numbers: CUDA multiplies by a number's reciprocal instead of dividing by it
        scale = torch.tensor(float(MAX_VALUE), dtype=torch.float32, device=device)
        per_channel = [
            torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1) for values in (mean, std)
        ]
        return scale, per_channel[0], per_channel[1]
