"""Records of the trained weights: what each is, what it was measured with, and where it lies."""

import fnmatch
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from practicezoo.arguments import PATH_STARTS, listed, near_matches
from practicezoo.weights.reading import CARD, read_config, read_text

__all__ = ["Weights", "asset_folder", "find_named", "find_weights", "list_weights"]

FROM_TORCHVISION = 'create_model(..., weights="torchvision:DEFAULT") downloads those of torchvision'
# Models that are registered and have no weights, and why.
WITHOUT = {
    "linear_regression": "its line is one weight and one bias, which `train` finds in a second",
    "logistic_regression": "its curve is one weight and one bias, which `train` finds in a second",
    "hello_rnn_cell": "it learns one word, which `train` takes a second for",
    "hello_rnn": "it learns one word, which `train` takes a second for",
    "hello_embedding_rnn": "it learns one word, which `train` takes a second for",
    **dict.fromkeys(
        ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"),
        FROM_TORCHVISION,
    ),
    **dict.fromkeys(("densenet121", "densenet161", "densenet169", "densenet201"), FROM_TORCHVISION),
    **dict.fromkeys(("googlenet", "inception_v3"), FROM_TORCHVISION),
    **dict.fromkeys(
        ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
        "it learns CIFAR-10, which does not come with the library",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The record of one network's trained weights.

    Attributes:
        model: the registered name of the network.
        tag: names the training data and the date of these weights.
        default: whether they are the model's ``weights="default"``.
        sha256: of the file with the tensors.
        num_bytes: the size of that file.
        num_parameters: the network's parameters.
        config: keywords of the network's constructor.
        preprocessing: how samples become the network's input; see :class:`~practicezoo.Predictor`.
        classes: the labels in the order of their indices.
        temperature: what logits are divided by before they become probabilities.
        metrics: the figures on the test data, with the number of samples.
        data: what the training data is, with the SHA-256 of its files.
        license: the licence of the weights.
        command: trains them again.
        card: the model card, as Markdown.
    """

    model: str
    tag: str
    default: bool
    sha256: str
    num_bytes: int
    num_parameters: int
    config: Mapping[str, Any] = field(repr=False)
    preprocessing: Mapping[str, Any] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    temperature: float = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)
    license: str = field(repr=False)
    command: str = field(repr=False)
    card: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.model}/{self.tag}"

    def __hash__(self) -> int:
        return hash((self.model, self.tag, self.sha256))


def list_weights(pattern: str = "*") -> list[Weights]:
    """The records of the weights that come with the library, sorted by model and tag.

    Args:
        pattern: a shell pattern for the model, or for model and tag with a slash between them.

    Example:
        >>> [str(weights) for weights in list_weights("names_gru/names-*")]
        ['names_gru/names-2026.11']
        >>> list_weights("diabetes_mlp")[0].num_parameters
        87
    """
    return [
        weights
        for model in _models()
        for weights in _records_of(model)
        if fnmatch.fnmatchcase(weights.model, pattern) or fnmatch.fnmatchcase(str(weights), pattern)
    ]


def find_named(name: str, *, given: str = "") -> Weights:
    """The record of ``NAME``, the model's default, or of ``NAME/TAG``; else as :func:`find_weights`."""
    if name.startswith(PATH_STARTS):
        raise ValueError(f"weights must be named as `list --weights` shows them, got the path {name!r}")
    model, _, tag = name.partition("/")
    return find_weights(model, tag or "default", given=given)


def find_weights(model: str, tag: str = "default", *, given: str = "") -> Weights:
    """The record of a model's weights.

    Args:
        model: a registered name.
        tag: one of its tags, or "default".
        given: what the user gave for a name; if a file or folder of this name lies here, an error says how
            to spell its path.

    Raises:
        ValueError: if there are none; the message lists near matches, or says why there are none.
    """
    tags = {weights.tag: weights for weights in _records_of(model)} if model in _models() else {}
    if tags and tag == "default":
        return next(weights for weights in tags.values() if weights.default)
    if tag in tags:
        return tags[tag]
    if tags:
        near = near_matches(tag, tags) or list(tags)
        message = f"weights of {model} must be 'default' or a tag, got {tag!r}; near: {listed(near)}"
    elif model in WITHOUT:
        message = f"{model} has no trained weights: {WITHOUT[model]}"
    else:
        known = _models()
        near = near_matches(model, known)
        hint = f"near: {', '.join(near)}" if near else f"there are: {', '.join(known)}"
        message = f"model must be one with trained weights, got {model!r}; {hint}"
    if given and Path(given).exists():
        message = f"{message}. To load what lies at {given}, give './{given}'"
    raise ValueError(message)


def asset_folder(weights: Weights) -> Traversable:
    """Where a record's files lie."""
    return _assets() / weights.model / weights.tag


def _assets() -> Traversable:
    return files("practicezoo.weights") / "assets"


@functools.cache
def _models() -> list[str]:
    """The names of the models that have weights, sorted."""
    return sorted(folder.name for folder in _assets().iterdir() if folder.is_dir())


@functools.cache
def _records_of(model: str) -> tuple[Weights, ...]:
    """A model's records, read once."""
    folders = (folder for folder in (_assets() / model).iterdir() if folder.is_dir())
    return tuple(sorted((_read_record(folder) for folder in folders), key=str))


def _read_record(folder: Traversable) -> Weights:
    config = read_config(folder)
    values: dict[str, Any] = {item.name: config[item.name] for item in fields(Weights) if item.name != "card"}
    frozen: dict[str, Any] = {
        name: MappingProxyType(value) if isinstance(value, dict) else value for name, value in values.items()
    }
    return Weights(**{**frozen, "classes": tuple(values["classes"]), "card": read_text(folder / CARD)})
