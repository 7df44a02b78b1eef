"""Pictures in the form of the images that a network was trained on."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from practicezoo.arguments import check_choice, check_count, near_paths
from practicezoo.data import NormalizeImages
from practicezoo.predictors.preprocessing import (
    Prepared,
    Preprocessing,
    as_samples,
    each,
    is_array,
    register_kind,
)

__all__ = ["ImageInput"]

MAX_PIXELS = 2**26
CHANNELS = (1, 3, 4)  # grey, colours, colours and opacity
DARK, LIGHT = 85, 170  # the border's median: dark up to a third of the range, light from two thirds on
GREY = (19595, 38470, 7471)  # of 65,536: the weights of ITU-R 601 that Pillow has
WHITE = 255


@register_kind
@dataclass(frozen=True)
class ImageInput(Preprocessing):
    """Pictures as normalised images ``(N, channels, size, size)``.

    A picture is the path of a file, a PIL image, or an array or tensor: ``(H, W)``, ``(C, H, W)`` or
    ``(H, W, C)``, integers from 0 to 255 or floats from 0 to 1. An array with one dimension more is a batch.

    A picture of the right size whose background is as the network knows it passes unchanged. Another one is
    brought there: transparency becomes white paper, colours become grey for a network of one channel, a
    picture with the opposite background (the median of its border) is inverted, one of another size is
    resized as a whole, with a margin where it is no square.

    Args:
        size: height and width of the images.
        mean: see :class:`~practicezoo.data.NormalizeImages`.
        std: as ``mean``.
        background: "dark" for light strokes on dark, "light" for dark ones on light; None where the images
            have no such rule: then nothing is inverted.
        channels: 1 for grey, 3 for colours.

    Raises:
        ValueError: if an argument is wrong; and in a call if a picture has no pixel, more than 67 million, a
            border that is neither dark nor light, or values out of range.
        TypeError: if a sample is no picture.

    Example:
        >>> paper = torch.full((56, 56), 255, dtype=torch.uint8)
        >>> ImageInput(28, 0.5, 0.5, background="dark")(paper).unique()
        tensor([-1.])
    """

    size: int
    mean: float | Sequence[float]
    std: float | Sequence[float]
    background: Literal["dark", "light"] | None = None
    channels: int = 1

    kind: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        check_count(size=self.size)
        if self.channels not in {1, 3}:
            raise ValueError(f"channels must be 1 or 3, got {self.channels!r}")
        if self.background is not None:
            check_choice(("dark", "light"), background=self.background)
        NormalizeImages(self.mean, self.std)  # checks the two

    def is_one(self, samples: Any) -> bool:
        """Whether it is a path, a picture, or an array of one."""
        if not is_array(samples):
            return isinstance(samples, str | Path) or hasattr(samples, "convert")
        shape = tuple(samples.shape)
        if len(shape) not in {2, 3, 4}:
            raise ValueError(
                f"image must be (H, W), (C, H, W) or (H, W, C), or a batch of them, got shape {shape}"
            )
        if len(shape) != 3:
            return len(shape) == 2
        if shape[0] in {1, self.channels}:
            return True
        if shape[0] in CHANNELS:
            raise ValueError(
                f"image must say whether it is one in colours or {shape[0]} in grey, got shape {shape}: give "
                "(H, W, C) for one, (N, 1, H, W) for several"
            )
        return shape[2] in CHANNELS

    def prepare(self, samples: Any) -> Prepared:
        """The pictures as one normalised batch."""
        if is_array(samples):
            pixels = _pixels(samples)
            images, notes = self._fit(pixels if pixels.ndim == 4 else pixels.unsqueeze(1))
            names = [f"image {place}" for place in range(len(images))]
        else:
            pictures = as_samples(samples, what="a picture")
            fitted = each(pictures, lambda picture: self._fit(_read(picture)))
            images = torch.cat([image for image, _ in fitted])
            notes = [note for _, (note,) in fitted]
            names = [_name(picture) for picture in pictures]
        return Prepared(NormalizeImages(self.mean, self.std)(images), names, notes)

    def _fit(self, images: Tensor) -> tuple[Tensor, list[list[str]]]:
        """Images ``(N, C, H, W)`` in the network's form, and what was done to each."""
        images = _channels_first(images)
        height, width = images.shape[-2:]
        _check_size(width, height)
        notes: list[list[str]] = [[] for _ in images]
        pixels = images.flatten(1)
        _note(notes, "all pixels alike", where=(pixels == pixels[:, :1]).all(dim=1).tolist())
        if images.shape[1] == 4:
            images = _on_paper(images)
            _note(notes, "put on white")
        if images.shape[1] == 3 and self.channels == 1:
            images = _grey(images)
            _note(notes, "grey from colours")
        elif images.shape[1] < self.channels:
            images = images.expand(-1, self.channels, -1, -1)
        if self.background is not None:
            inverted = self._inverted(images)
            images = torch.where(inverted.view(-1, 1, 1, 1), 255 - images, images)
            _note(notes, "inverted", where=inverted.tolist())
        if (height, width) != (self.size, self.size):
            images = self._resize(images)
            _note(notes, f"resized from {width}x{height}")
        return images, notes

    def _inverted(self, images: Tensor) -> Tensor:
        """Which images have the other background; a border in the middle of the range has none."""
        edges = (images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1])
        border = torch.cat([edge.flatten(1) for edge in edges], dim=1).median(dim=1).values
        unclear = (border > DARK) & (border < LIGHT)
        if unclear.any():
            place = int(unclear.nonzero()[0])
            which = f"image {place}" if len(images) > 1 else "image"
            raise ValueError(
                f"{which} must have a dark or a light border, to tell its background, got a median of "
                f"{int(border[place])} of 255: raise its contrast or cut it out"
            )
        return border >= LIGHT if self.background == "dark" else border <= DARK

    def _resize(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        scale = self.size / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = F.interpolate(images.float(), size=size, mode="bicubic", antialias=True, align_corners=False)
        top, left = (self.size - size[0]) // 2, (self.size - size[1]) // 2
        margins = (left, self.size - size[1] - left, top, self.size - size[0] - top)
        paper = WHITE if self.background == "light" else 0
        return F.pad(small.clamp(0, 255).round().to(torch.uint8), margins, value=paper)


def _read(picture: Any) -> Tensor:
    """One picture as uint8 ``(1, C, H, W)``."""
    if isinstance(picture, str) and not picture:
        raise ValueError("path of a picture must not be empty, got ''")
    if isinstance(picture, str | Path):
        return _read_file(Path(picture))
    if hasattr(picture, "convert"):
        return _from_pil(picture)
    if not is_array(picture):
        raise TypeError(
            f"sample must be a picture (a path, PIL image, array or tensor), got {type(picture).__name__}"
        )
    if picture.ndim not in {2, 3}:
        raise ValueError(f"image must be (H, W), (C, H, W) or (H, W, C), got shape {tuple(picture.shape)}")
    pixels = _pixels(picture)
    return pixels[None, None] if pixels.ndim == 2 else pixels[None]


def _read_file(path: Path) -> Tensor:
    from PIL import Image, UnidentifiedImageError  # comes with torchvision

    if path.is_dir():
        raise IsADirectoryError(f"sample must be a picture's path, got the folder {path}")
    if not path.exists():
        raise FileNotFoundError(
            f"sample must be a picture's path, got {path}, which is not there{near_paths(path)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            with Image.open(path) as file:
                if math.prod(file.size) <= MAX_PIXELS:
                    return _from_pil(file)
    except Image.DecompressionBombError:
        pass
    except (UnidentifiedImageError, SyntaxError) as error:  # Pillow's word for a damaged PNG file
        raise ValueError(f"{path} must be a picture, such as a PNG file") from error
    raise ValueError(f"{path} must have at most {MAX_PIXELS} pixels, got a picture of more")


def _from_pil(picture: Any) -> Tensor:
    from PIL import ImageOps

    _check_size(*picture.size)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):
        grey = torch.from_numpy(np.asarray(picture).astype(np.int32))
        return (grey / 257).round().to(torch.uint8)[None, None]
    if picture.mode in {"I", "F"}:
        raise ValueError(f"image must have 8 or 16 bits a channel, got one of Pillow's mode {picture.mode!r}")
    if picture.mode != "L":
        picture = picture.convert("L" if picture.mode == "1" else "RGBA" if _has_alpha(picture) else "RGB")
    pixels = torch.from_numpy(np.array(picture))
    return pixels[None, None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)[None]


def _has_alpha(picture: Any) -> bool:
    return "A" in picture.mode or "transparency" in picture.info


def _pixels(array: Any) -> Tensor:
    """An array's values as uint8."""
    if isinstance(array, np.ndarray):  # a copy: it may be read-only, turned, or of a type that torch has not
        wide = array.dtype.kind == "u" and array.dtype != np.uint8
        if array.dtype.kind not in "biufc":
            raise TypeError(f"image must hold integers or floats, got {array.dtype}")
        array = array.astype(np.int64 if wide else array.dtype.newbyteorder("="))
    values = torch.as_tensor(array).detach().cpu()
    if values.numel() == 0:
        raise ValueError(f"image must have at least one pixel, got shape {tuple(values.shape)}")
    if values.dtype == torch.uint8:
        return values
    if values.dtype == torch.bool:
        return values.to(torch.uint8) * 255
    if values.is_complex():
        raise TypeError(f"image must hold integers or floats, got {values.dtype}")
    low, high = values.min().item(), values.max().item()
    if not values.is_floating_point():
        if not (low >= 0 and high <= 255):
            raise ValueError(f"image of integers must lie between 0 and 255, got {low} to {high}")
        return values.to(torch.uint8)
    if not (low >= 0 and high <= 1):  # nor NaN
        raise ValueError(
            f"image of floats must lie between 0 and 1, got {low:g} to {high:g}: give what is normalised to "
            "predictor.model, and values up to 255 as integers"
        )
    return (values * 255).round().to(torch.uint8)


def _channels_first(images: Tensor) -> Tensor:
    if images.shape[1] not in CHANNELS and images.shape[3] in CHANNELS:
        images = images.permute(0, 3, 1, 2)
    if images.shape[1] not in CHANNELS:
        raise ValueError(f"image must have 1, 3 or 4 channels, got shape {tuple(images.shape[1:])}")
    return images


def _check_size(width: int, height: int) -> None:
    if width * height == 0:
        raise ValueError(f"image must have at least one pixel, got {width}x{height}")
    if width * height > MAX_PIXELS:
        raise ValueError(f"image must have at most {MAX_PIXELS} pixels, got {width}x{height}")


def _on_paper(images: Tensor) -> Tensor:
    """Colours laid over white by their opacity."""
    opacity = images[:, 3:].float() / 255
    return (images[:, :3].float() * opacity + WHITE * (1 - opacity)).round().to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    weights = torch.tensor(GREY, dtype=torch.int32).view(1, 3, 1, 1)
    return (((images.int() * weights).sum(dim=1, keepdim=True) + 2**15) >> 16).to(torch.uint8)


def _name(picture: Any) -> str:
    if isinstance(picture, str | Path):
        return str(picture)
    size = picture.size if hasattr(picture, "convert") else tuple(picture.shape)
    return f"image of {'x'.join(map(str, size))}"


def _note(notes: list[list[str]], note: str, *, where: Sequence[bool] | None = None) -> None:
    for place, note_list in enumerate(notes):
        if where is None or where[place]:
            note_list.append(note)
