"""Models by name."""

import fnmatch
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from practicezoo.arguments import as_path, near_matches, near_paths
from practicezoo.models.pretrained import load_weights
from practicezoo.models.torchvision import (
    from_torchvision,
    is_published,
    is_torchvisions,
    read_torchvision,
    trained_keywords,
)
from practicezoo.weights import Weights
from practicezoo.weights.reading import Folder, read_config, read_state
from practicezoo.weights.records import asset_folder, find_weights

__all__ = ["create_model", "list_models", "origin_of", "register_model"]

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])

BUILDERS: dict[str, Callable[..., nn.Module]] = {}
RGB = 3  # channels of the images that torchvision's published weights were trained on
ORIGINS: WeakKeyDictionary[nn.Module, tuple[str, dict[str, Any]]] = WeakKeyDictionary()


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


def create_model(name: str, *, weights: str | Path | Weights | None = None, **overrides: Any) -> nn.Module:
    """Build the model registered under ``name``, with a random start or with trained weights.

    Trained weights bring the keywords that they were trained with. Another ``num_classes`` gives a fresh last
    layer, another ``in_channels`` adapts the first convolution; both are said through ``logging``.
    Everything else must fit.

    Args:
        name: one of :func:`list_models`.
        weights: None for a random start; "default" or a tag of :func:`~practicezoo.list_weights`, one of its
            records, or the path of a folder that :func:`~practicezoo.save` wrote. For a network that is
            torchvision's too "torchvision:DEFAULT" or another of its tags, which torchvision downloads, or
            the path of a state dict of its network that ``torch.save`` wrote, a file that ends in ``.pth``.
        **overrides: keywords of the model's constructor, in place of the registered numbers.

    Raises:
        ValueError: if there is no such model or there are no such weights (the message lists near matches),
            or the weights do not fit (it names the tensor).
        TypeError: if the model has no such keyword.

    Example:
        >>> create_model("mnist_cnn", in_channels=3, num_classes=47).head
        Linear(in_features=320, out_features=47, bias=True)
        >>> create_model("resnet19")
        Traceback (most recent call last):
        ValueError: name must be a registered model, got 'resnet19'; near: resnet18, resnet152, resnet110
        >>> create_model("mnist_cnn", weights="default").num_classes
        10
    """
    if name not in BUILDERS:
        near = near_matches(name, BUILDERS)
        hint = f"; near: {', '.join(near)}" if near else f"; there are: {', '.join(list_models())}"
        raise ValueError(f"name must be a registered model, got {name!r}{hint}")
    keywords = inspect.signature(BUILDERS[name]).parameters
    for override in overrides:
        if override not in keywords:
            raise TypeError(f"{name} has no keyword {override!r}; its keywords are {', '.join(keywords)}")
    if weights is None:
        model = BUILDERS[name](**overrides)
        ORIGINS[model] = name, overrides
        return model
    title, config, state = _read(name, weights, in_channels=overrides.get("in_channels"))
    trained = {key: parameter.default for key, parameter in keywords.items()} | config
    model = create_model(name, **{**config, **overrides})
    changed = {key for key in overrides if overrides[key] != trained[key]}
    load_weights(
        model,
        from_torchvision(model, state, name=title) if is_torchvisions(weights) else state,
        name=title,
        fresh_head="num_classes" in changed,
        adapt_channels="in_channels" in changed,
    )
    return model


def origin_of(model: nn.Module) -> tuple[str, dict[str, Any]] | None:
    """The name and the keywords with which :func:`create_model` built a model; None if it did not."""
    return ORIGINS.get(model)


def _read(
    name: str, weights: str | Path | Weights, *, in_channels: int | None
) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """What messages call the weights, keywords that they were trained with, and the tensors."""
    if isinstance(weights, str | Path) and is_torchvisions(weights):
        state = read_torchvision(name, weights)
        family = getattr(BUILDERS[name], "func", BUILDERS[name])  # a class, or a partial of one
        published = is_published(weights) and in_channels in {None, RGB}
        return str(weights), trained_keywords(name, family, state, published=published), state
    folder, config = _find(name, weights)
    title = str(weights) if isinstance(weights, Path) else f"{name}/{config.get('tag', weights)}"
    return title, config["config"], read_state(folder, config)


def _find(name: str, weights: str | Path | Weights) -> tuple[Folder, dict[str, Any]]:
    """The folder of a model's weights, and its configuration."""
    folder: Folder
    if isinstance(weights, Weights):
        folder = asset_folder(weights)
    elif (path := as_path(weights, argument="weights")) is None:
        folder = asset_folder(find_weights(name, str(weights), given=str(weights)))
    elif not path.is_dir():
        hint = "" if path.exists() else f", which is not there{near_paths(path)}"
        if path.is_file() or path.suffix == ".pt":
            hint += ": practicezoo.load reads a run's checkpoint; a state dict of torchvision's ends in .pth"
        raise ValueError(f"weights must be a folder that practicezoo.save wrote, got {path}{hint}")
    else:
        folder = path
    config = read_config(folder)
    if config["model"] != name:
        raise ValueError(f"weights must be of {name}, got those of {config['model']} in {weights}")
    return folder, config


def list_models(pattern: str = "*") -> list[str]:
    """The registered names that match a shell pattern, sorted.

    Args:
        pattern: such as ``"mnist_*"``; default: all.

    Example:
        >>> list_models("mnist_res*")
        ['mnist_resnet', 'mnist_resnet_notes']
    """
    return sorted(fnmatch.filter(BUILDERS, pattern))
