"""Loading a predictor: by name from the wheel, from a folder, or from a run's checkpoint."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from practicezoo.arguments import as_path, near_paths
from practicezoo.models import create_model
from practicezoo.models.pretrained import load_weights
from practicezoo.predictors.predictor import Predictor
from practicezoo.predictors.preprocessing import preprocessing_from
from practicezoo.runtime.device import pick_device
from practicezoo.runtime.files import is_locked
from practicezoo.weights import Weights
from practicezoo.weights.reading import CONFIG, FORMAT, read_config, read_state
from practicezoo.weights.records import asset_folder, find_named

__all__ = ["load", "predictor_of_run", "read_run"]

Builder = Callable[..., nn.Module]

FINISHED = "checkpoint.pt"  # of a run's folder


def load(
    source: str | Path | Weights, *, device: torch.device | str = "cpu", builder: Builder | None = None
) -> Predictor:
    """A trained network with its preprocessing and classes, ready to be asked. Nothing is downloaded.

    No name that a file holds is imported, and nothing is unpickled: the file names a registered model, or
    ``builder`` makes the network.

    Args:
        source: the name of a model whose weights come with the library, or name and tag with a slash
            between them, or a record of :func:`~practicezoo.list_weights`; the path of a folder that
            :func:`save` wrote; or that of a checkpoint of a recipe's run. A string is a path if it begins
            with ``./``, ``../`` or ``/`` or ends in a file's suffix.
        device: where the network lives; see :func:`~practicezoo.pick_device`.
        builder: makes a network of your own from the keywords that were saved with it.

    Raises:
        FileNotFoundError: if there is no such path, or a file is missing.
        ValueError: if there is no such name (the message lists near matches), a file is damaged, of a newer
            format or of a run that still trains, or the tensors do not fit (it names the first).

    Example:
        >>> print(load("names_gru")("Yamamoto", top=1).label)
        Japanese
    """
    target = pick_device(str(device))
    if isinstance(source, Weights):
        source = str(source)
    path = as_path(source)
    if path is None:
        folder: Any = asset_folder(find_named(str(source), given=str(source)))
    elif path.is_dir():
        folder = path
        _check_folder(path)
    else:
        return predictor_of_run(read_run(path), name=str(source), builder=builder, device=target)
    config = read_config(folder)
    return _predictor_of(config, read_state(folder, config), name=str(source), builder=builder, device=target)


def read_run(path: Path) -> dict[str, Any]:
    """What a run's checkpoint holds; one to resume from has what it says of the run beside its state.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or its run still trains.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"source must be a folder that save wrote or a run's checkpoint, got {path}, which is not there"
            f"{near_paths(path)}"
        )
    if path.name != FINISHED and is_locked(path.parent):
        raise ValueError(
            f"{path} is of a run that still trains: wait for its {FINISHED}, or copy the file elsewhere"
        )
    from practicezoo.training import load_checkpoint  # what comes in the wheel is read without it

    state = load_checkpoint(path)
    return {**state.get("extra", {}), **state}


def predictor_of_run(
    state: Mapping[str, Any], *, name: str, device: torch.device, builder: Builder | None = None
) -> Predictor:
    """The predictor that a checkpoint's state describes.

    Args:
        state: what :func:`read_run` gave.
        name: what messages call it.
        device: where the network lives.
        builder: makes the network, in place of the registered one.

    Raises:
        ValueError: if it holds none, or the parts do not fit each other.
    """
    if not isinstance(state.get("predictor"), dict) or not isinstance(state.get("model"), dict):
        raise ValueError(f"{name} must be a checkpoint of a recipe's run, which holds a predictor")  # noqa: TRY004
    return _predictor_of(state["predictor"], state["model"], name=name, device=device, builder=builder)


def _predictor_of(
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    *,
    name: str,
    device: torch.device,
    builder: Builder | None,
) -> Predictor:
    """The predictor that a description and tensors make."""
    if config["format"] > FORMAT:
        raise ValueError(
            f"{name} must have the format {FORMAT}, which this version of practicezoo reads, got "
            f"{config['format']}: upgrade practicezoo"
        )
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten, and leaves no trace
        model = _build(config, name, builder)
    try:
        load_weights(model, state, name=name)
    except ValueError as error:
        if builder is not None and not config["config"]:
            hint = "it was saved without config=, the keywords for the builder"
            raise ValueError(f"{error}; {hint}") from None
        raise
    try:
        return Predictor(
            model.to(device),
            preprocess=preprocessing_from(config.get("preprocessing") or {"kind": "tensor"}),
            classes=config.get("classes", ()),
            temperature=config.get("temperature", 1.0),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must describe a predictor, but {error}") from None


def _build(config: Mapping[str, Any], name: str, builder: Builder | None) -> nn.Module:
    if builder is None and config["model"] is None:
        raise ValueError(
            f"builder must be given for {name}, whose network is not registered: the class or function that "
            "makes it"
        )
    if builder is not None and not callable(builder):
        raise TypeError(f"builder must be a class or function that makes the network, got {builder!r}")
    make = partial(create_model, config["model"]) if builder is None else builder
    try:
        model = make(**config["config"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be built with {dict(config['config'])}: {error}") from error
    if not isinstance(model, nn.Module):
        raise TypeError(f"builder must make an nn.Module, got {type(model).__name__}")
    return model


def _check_folder(path: Path) -> None:
    """Raise ValueError for the folder of a run, which holds checkpoints."""
    if (path / CONFIG).exists():
        return
    if (path / FINISHED).exists():
        raise ValueError(f"{path} is the folder of a run: give {path / FINISHED}")
    if any(path.glob("*.pt")):
        raise ValueError(f"{path} is the folder of a run that has no {FINISHED} yet: it still has to finish")
