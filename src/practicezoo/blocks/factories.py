"""Norms and activations made from the classes that blocks and models are given."""

import contextlib
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

__all__ = ["ActivationFactory", "NormFactory", "build_activation", "build_norm"]

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
    _check_factory("activation", activation, like="nn.ReLU")
    try:
        with contextlib.nullcontext() if device is None else torch.device(device):
            built = activation()
    except TypeError as error:
        raise TypeError(f"activation must need no arguments, got {activation!r}: {error}") from error
    return built.to(dtype=dtype)  # some, such as PReLU, have parameters


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
    _check_factory("norm", norm, like="nn.BatchNorm2d")
    try:
        return norm(num_features, device=device, dtype=dtype)
    except TypeError as error:
        raise TypeError(
            "norm must take a number of channels, device and dtype (functools.partial sets other arguments), "
            f"got {norm!r}: {error}"
        ) from error


def _check_factory(argument: str, factory: object, *, like: str) -> None:
    if isinstance(factory, nn.Module) or not callable(factory):
        raise TypeError(f"{argument} must be a class such as {like}, got {factory!r}")
