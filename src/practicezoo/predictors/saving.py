"""Saving a predictor: tensors, configuration and card in a folder. No pickle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from practicezoo.batches import unwrap
from practicezoo.models import create_model
from practicezoo.models.registry import origin_of
from practicezoo.predictors.predictor import Predictor, describe
from practicezoo.predictors.preprocessing import Preprocessing
from practicezoo.runtime.files import make_folder, write_whole
from practicezoo.weights.reading import CARD, CONFIG, TENSORS

__all__ = ["save", "serialised", "write_folder"]


def save(
    predictor: Predictor | nn.Module,
    folder: str | Path,
    *,
    preprocess: Preprocessing | None = None,
    classes: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    card: str | None = None,
    half: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a predictor to a folder that :func:`load` reads: tensors, configuration and card.

    Args:
        predictor: a predictor, or its network alone.
        folder: made if it is not there; files of an earlier ``save`` are replaced.
        preprocess: the network's preprocessing, where it is given alone.
        classes: its classes, likewise.
        config: keywords with which ``load(folder, builder=...)`` calls the builder of a network that is not
            registered; what :func:`~practicezoo.create_model` built is known.
        card: the text of the card, as Markdown; default: a heading and the classes.
        half: whether to write floating-point tensors in half precision; ``load`` gives float32.
        facts: what else the configuration is to hold, such as a licence and figures.

    Raises:
        TypeError: if it is no network, or ``config`` or ``facts`` hold what JSON has no type for.
        ValueError: if ``preprocess`` or ``classes`` are given beside a predictor.
        OSError: if the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from practicezoo import create_model, load
        >>> from practicezoo.predictors import RowInput
        >>> folder = tempfile.mkdtemp()
        >>> save(create_model("diabetes_mlp"), folder, preprocess=RowInput(8), classes=["no", "yes"])
        >>> load(folder)([0.0] * 8).label in {"no", "yes"}
        True
    """
    if isinstance(predictor, Predictor):
        if preprocess is not None or classes:
            raise ValueError("preprocess and classes must be left out beside a Predictor, which has its own")
    else:
        predictor = Predictor(predictor, preprocess=preprocess, classes=classes)
    write_folder(
        predictor,
        folder,
        content=serialised(predictor.model, half=half),
        config=config,
        card=card,
        facts={"dtype": "float16" if half else "as trained", **(facts or {})},
    )


def write_folder(
    predictor: Predictor,
    folder: str | Path,
    *,
    content: bytes,
    config: Mapping[str, Any] | None = None,
    card: str | None = None,
    facts: Mapping[str, Any],
) -> None:
    """As :func:`save`, with tensors that are serialised already, and facts that say as what."""
    model = unwrap(predictor.model)
    name, keywords = (None, dict(config)) if config is not None else _origin(model)
    description = {
        **describe(
            name,
            keywords,
            preprocess=predictor.preprocess,
            classes=predictor.classes,
            temperature=predictor.temperature,
        ),
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_bytes": len(content),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        **facts,
    }
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)
    folder = Path(folder)
    make_folder(folder)
    parts = {TENSORS: content, CONFIG: f"{text}\n".encode(), CARD: (card or _card(name, predictor)).encode()}
    for part, written in parts.items():
        with write_whole(folder / part) as file:
            file.write(written)


def serialised(model: nn.Module, *, half: bool) -> bytes:
    """A network's tensors in the safetensors format, floating-point ones in half precision if asked for."""
    from safetensors.torch import save as serialise

    state = unwrap(model).state_dict()
    # copies: tensors that share memory would be refused
    return serialise(
        {
            key: value.cpu()
            .to(torch.float16 if half and value.is_floating_point() else value.dtype, copy=True)
            .contiguous()
            for key, value in state.items()
        }
    )


def _origin(model: nn.Module) -> tuple[str | None, dict[str, Any]]:
    """Name and keywords that build the network again; no name for one that create_model did not build so."""
    name, built_with = origin_of(model) or (None, {})
    if name is None:
        return None, {}
    keywords = {key: value for key, value in built_with.items() if key not in {"device", "dtype"}}
    try:
        json.dumps(keywords)
    except TypeError:  # a class of modules, say
        return None, {}
    shapes = _shapes(model)
    # the head may have been replaced since
    for candidate in (keywords, {**keywords, "num_classes": getattr(model, "num_classes", None)}):
        with suppress(TypeError), torch.random.fork_rng(devices=[]):
            if _shapes(create_model(name, **candidate)) == shapes:
                return name, candidate
    return None, {}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in model.state_dict().items()}


def _card(name: str | None, predictor: Predictor) -> str:
    title = name or type(predictor.model).__name__
    labels = f"\nClasses: {', '.join(predictor.classes)}.\n" if predictor.classes else ""
    return f"# {title}\n{labels}\nSaved with practicezoo; no figures were measured.\n"
