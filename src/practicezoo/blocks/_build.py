"""What blocks and models share: making norms and activations, and checking sizes and inputs."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

__all__ = [
    "ActivationFactory",
    "NormFactory",
    "build_activation",
    "build_norm",
    "check_dropout",
    "check_feature_map",
    "check_positive",
]

ActivationFactory: TypeAlias = Callable[[], nn.Module]
NormFactory: TypeAlias = Callable[..., nn.Module]


def build_activation(
    activation: ActivationFactory | None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """A fresh activation, or the identity for ``None``."""
    if activation is None:
        return nn.Identity()
    _check_factory("activation", activation)
    return activation().to(device=device, dtype=dtype)  # some, such as PReLU, have parameters


def build_norm(
    norm: NormFactory | None,
    num_features: int,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """A fresh normalisation of ``num_features`` channels, or the identity for ``None``."""
    if norm is None:
        return nn.Identity()
    _check_factory("norm", norm)
    return norm(num_features, device=device, dtype=dtype)


def check_positive(**sizes: int) -> None:
    """Raise ValueError for the first size below 1."""
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"{argument} must be at least 1, got {size}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless ``dropout`` is a share that leaves something."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")


def check_feature_map(block: nn.Module, features: Tensor, in_channels: int) -> None:
    """Raise ValueError unless ``features`` are ``(N, in_channels, H, W)``."""
    if features.ndim != 4 or features.shape[1] != in_channels:  # noqa: PLR2004  # N, C, H, W
        raise ValueError(
            f"{type(block).__name__} expects an input of shape (N, {in_channels}, H, W), "
            f"got {tuple(features.shape)}"
        )


def _check_factory(argument: str, factory: object) -> None:
    if isinstance(factory, nn.Module) or not callable(factory):
        raise TypeError(f"{argument} must be a class such as nn.ReLU or nn.BatchNorm2d, got {factory!r}")
