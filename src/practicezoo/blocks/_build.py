"""What blocks and models share: making norms and activations, and checking sizes and inputs."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

__all__ = [
    "ActivationFactory",
    "NormFactory",
    "build_activation",
    "build_norm",
    "check_counts",
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
    try:
        built = activation()
    except TypeError as error:
        raise TypeError(f"activation must need no arguments, got {activation!r}: {error}") from error
    return built.to(device=device, dtype=dtype)  # some, such as PReLU, have parameters


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
    try:
        return norm(num_features, device=device, dtype=dtype)
    except TypeError as error:
        raise TypeError(
            "norm must take a number of channels, device and dtype (functools.partial sets other arguments), "
            f"got {norm!r}: {error}"
        ) from error


def check_positive(**sizes: Any) -> None:
    """Raise for the first size that is no integer (TypeError) or below 1 (ValueError)."""
    for argument, size in sizes.items():
        if not isinstance(size, Integral):
            raise TypeError(f"{argument} must be an integer, got {size!r}")
        if size < 1:
            raise ValueError(f"{argument} must be at least 1, got {size}")


def check_counts(argument: str, counts: Any, *, length: int | None = None) -> None:
    """Raise ValueError unless these are ``length`` integers (default: any number of them) of at least 1."""
    if (
        not isinstance(counts, Sequence)
        or not all(isinstance(count, Integral) and int(count) >= 1 for count in counts)
        or length not in {None, len(counts)}
    ):
        number = "" if length is None else f"{length} "
        raise ValueError(f"{argument} must be {number}integers of at least 1, got {counts!r}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError unless ``dropout`` is a share that leaves something."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}")


def check_feature_map(block: nn.Module, features: Tensor, in_channels: int) -> None:
    """Raise unless ``features`` are a tensor (TypeError) of shape ``(N, in_channels, H, W)`` (ValueError)."""
    if not isinstance(features, Tensor):
        raise TypeError(f"{type(block).__name__} expects a tensor, got {type(features).__name__}")
    if features.ndim != 4 or features.shape[1] != in_channels:  # noqa: PLR2004  # N, C, H, W
        raise ValueError(
            f"{type(block).__name__} expects an input of shape (N, {in_channels}, H, W), "
            f"got {tuple(features.shape)}"
        )


def _check_factory(argument: str, factory: object) -> None:
    if isinstance(factory, nn.Module) or not callable(factory):
        raise TypeError(f"{argument} must be a class such as nn.ReLU or nn.BatchNorm2d, got {factory!r}")
