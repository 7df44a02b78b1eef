"""Models by name."""

import difflib
import fnmatch
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

__all__ = ["create_model", "list_models", "register_model"]

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])

BUILDERS: dict[str, Callable[..., nn.Module]] = {}


def register_model(name: str) -> Callable[[Builder], Builder]:
    """Make a model available under ``name``; a decorator for its class or for a function that builds it.

    The defaults of its keywords are what ``create_model(name)`` builds.

    Args:
        name: a new name.

    Raises:
        ValueError: if the name is taken.

    Example:
        >>> @register_model("example_linear")
        ... def example_linear(*, in_features: int = 4) -> nn.Module:
        ...     return nn.Linear(in_features, 1)
        >>> create_model("example_linear", in_features=2)
        Linear(in_features=2, out_features=1, bias=True)
        >>> del BUILDERS["example_linear"]
    """

    def register(builder: Builder) -> Builder:
        if name in BUILDERS:
            raise ValueError(f"name must be new, got {name!r}, which is registered")
        BUILDERS[name] = builder
        return builder

    return register


def create_model(name: str, **overrides: Any) -> nn.Module:
    """Build the model registered under ``name``.

    Args:
        name: one of :func:`list_models`.
        **overrides: keywords of the model's constructor, in place of the registered numbers.

    Raises:
        ValueError: if there is no such model; the message lists near matches.
        TypeError: if the model has no such keyword.

    Example:
        >>> create_model("mnist_cnn", in_channels=3, num_classes=47).head
        Linear(in_features=320, out_features=47, bias=True)
        >>> create_model("mnist_cn")
        Traceback (most recent call last):
        ValueError: name must be a registered model, got 'mnist_cn'; near: mnist_cnn, mnist_tiny, mnist_mlp
    """
    if name not in BUILDERS:
        near = difflib.get_close_matches(str(name), BUILDERS, n=3, cutoff=0.5)
        hint = f"; near: {', '.join(near)}" if near else f"; there are: {', '.join(list_models())}"
        raise ValueError(f"name must be a registered model, got {name!r}{hint}")
    keywords = list(inspect.signature(BUILDERS[name]).parameters)
    for override in overrides:
        if override not in keywords:
            raise TypeError(f"{name} has no keyword {override!r}; its keywords are {', '.join(keywords)}")
    return BUILDERS[name](**overrides)


def list_models(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted.

    Args:
        pattern: such as ``"mnist_*"``; default: all.

    Example:
        >>> list_models("mnist_res*")
        ['mnist_resnet', 'mnist_resnet_notes']
    """
    return sorted(fnmatch.filter(BUILDERS, pattern))
