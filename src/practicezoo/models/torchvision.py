"""Weights of torchvision's networks, for those here that equal them."""

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from practicezoo.arguments import listed, near_matches, near_paths
from practicezoo.batches import unwrap

__all__ = [
    "KeyMap",
    "from_torchvision",
    "is_published",
    "is_torchvisions",
    "read_torchvision",
    "to_torchvision",
    "trained_keywords",
]

START, SUFFIX = "torchvision:", ".pth"
Lines: TypeAlias = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]


class KeyMap(NamedTuple):
    """How a family's tensors are called in torchvision; the attribute ``torchvision_keys`` of its class.

    Attributes:
        lines: regular expressions and their replacements, applied to our names one after the other.
        older: the same from names in older files to torchvision's own.
        spare: matches torchvision's names that a network may do without, such as auxiliary heads'.
        published: keywords that the weights which torchvision publishes need, on images of their channels.
    """

    lines: Lines
    older: Lines = ()
    spare: str = r"(?!)"  # nothing
    published: Mapping[str, Any] = MappingProxyType({})


def rename(name: str, lines: Lines) -> str:
    """A tensor's name after every replacement."""
    for pattern, replacement in lines:
        name = re.sub(pattern, replacement, name)
    return name


def to_torchvision(model: nn.Module) -> dict[str, Tensor]:
    """The network's tensors under torchvision's names, for ``load_state_dict`` of its network.

    Args:
        model: a network of a family that torchvision has, such as :class:`~practicezoo.ResNet`.

    Raises:
        ValueError: if torchvision has no such network.

    Example:
        >>> from practicezoo import create_model
        >>> state = to_torchvision(create_model("resnet18"))
        >>> list(state)[:2], state["fc.weight"].shape
        (['conv1.weight', 'bn1.weight'], torch.Size([1000, 512]))
        >>> import torchvision
        >>> torchvision.models.resnet18().load_state_dict(state)
        <All keys matched successfully>
    """
    model = unwrap(model)
    lines = _keys_of(model, type(model).__name__).lines
    return {rename(name, lines): value for name, value in model.state_dict().items()}


def is_torchvisions(weights: object) -> bool:
    """Whether these are torchvision's: "torchvision:TAG", or the path of a file that ends in ``.pth``."""
    return is_published(weights) or (isinstance(weights, str | Path) and Path(weights).suffix == SUFFIX)


def is_published(weights: object) -> bool:
    """Whether these are "torchvision:TAG"."""
    return isinstance(weights, str) and weights.startswith(START)


def read_torchvision(name: str, weights: str | Path) -> dict[str, Tensor]:
    """Tensors under torchvision's names: a download of torchvision's, checked as it does, or a file's.

    Args:
        name: the network's name, here and there.
        weights: "torchvision:TAG" or a file's path.

    Raises:
        ValueError: if torchvision has no such network or tag, or the file holds no tensors by name.
    """
    if isinstance(weights, str) and weights.startswith(START):
        entry = _find_tag(name, weights.removeprefix(START))
        return entry.get_state_dict(progress=True, check_hash=True, map_location="cpu")
    path = Path(weights)
    if not path.is_file():
        raise ValueError(f"weights must be a file that is there, got {path}{near_paths(path)}")
    rule = f"weights must be a file of torch.save(model.state_dict(), ...), got {path}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{rule}, which holds something else than tensors") from error
    if not isinstance(state, Mapping):
        raise ValueError(f"{rule}, which holds {type(state).__name__}")  # noqa: TRY004  # the file is wrong
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{rule}, which has {type(value).__name__} under {key!r}")  # noqa: TRY004
    return dict(state)


def trained_keywords(
    name: str, family: object, state: Mapping[str, Tensor], *, published: bool
) -> dict[str, Any]:
    """What torchvision's tensors were trained with: by their shapes, and as their family says.

    Args:
        name: the network's name.
        family: its class.
        state: the tensors by torchvision's names.
        published: whether torchvision publishes them, and for images of as many channels.

    Raises:
        ValueError: if the class is none of torchvision's, or the tensors are another's.
    """
    keys = _keys_of(family, name)
    head = rename("head.weight", keys.lines)
    first = next((value for value in state.values() if value.ndim == 4), None)
    if first is None or head not in state:
        raise ValueError(f"weights must be of {name}, got some without {head} or without convolutions")
    shapes = {"in_channels": first.shape[1], "num_classes": state[head].shape[0]}
    return shapes | (dict(keys.published) if published else {})


def from_torchvision(model: nn.Module, state: Mapping[str, Tensor], *, name: str) -> dict[str, Tensor]:
    """Tensors of torchvision's network under the names that they have in one of ours.

    Args:
        model: the network.
        state: the tensors by torchvision's names.
        name: what messages call the weights.

    Raises:
        ValueError: if a tensor is missing or unknown; the message has torchvision's name.
    """
    keys = _keys_of(model, type(model).__name__)
    state = {rename(key, keys.older): value for key, value in state.items()}
    found = {}
    for own, value in model.state_dict().items():
        theirs = rename(own, keys.lines)
        if theirs not in state and not own.endswith("num_batches_tracked"):  # older files have none
            raise ValueError(f"{name} must fit the network, but has no tensor {theirs}")
        found[own] = state.pop(theirs, value)
    for theirs in state:
        if not re.match(keys.spare, theirs):
            raise ValueError(f"{name} must fit the network, but the network has no tensor {theirs}")
    return found


def _keys_of(family: object, name: str) -> KeyMap:
    keys = getattr(family, "torchvision_keys", None)
    if keys is None:
        settings = " with these settings" if hasattr(type(family), "torchvision_keys") else ""
        raise ValueError(f"model must be a network that torchvision has too, got {name}{settings}")
    return keys


def _find_tag(name: str, tag: str) -> Any:
    """The entry of torchvision's enumeration of a network's weights."""
    from torchvision.models import get_model_weights

    try:
        entries = get_model_weights(name)
    except ValueError as error:
        raise ValueError(f"name must be one of torchvision's networks for its weights, got {name}") from error
    known = ["DEFAULT", *(entry.name for entry in entries)]
    if tag not in known:
        near = near_matches(tag, known) or known
        raise ValueError(
            f"weights of {name} in torchvision must be one of its tags, got {tag!r}; near: {listed(near)}"
        )
    return entries[tag]
