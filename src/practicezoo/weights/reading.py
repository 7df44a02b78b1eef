"""Reading a folder of weights: a configuration, tensors whose checksum it holds, and a card. No pickle."""

import hashlib
import json
from importlib.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["CARD", "CONFIG", "FORMAT", "TENSORS", "Folder", "read_config", "read_state", "read_text"]

Folder: TypeAlias = Traversable | Path

TENSORS, CONFIG, CARD = "model.safetensors", "config.json", "card.md"
FORMAT = 1
REQUIRED: dict[str, tuple[type, ...]] = {"model": (str, type(None)), "config": (dict,), "sha256": (str,)}


def read_config(folder: Folder) -> dict[str, Any]:
    """What ``config.json`` holds, after a look at its format.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: if it is no such file, or one of a newer format.
    """
    path = folder / CONFIG
    try:
        config = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must hold JSON, got line {error.lineno}: {error.msg}") from None
    found = config.get("format") if isinstance(config, dict) else None
    if not isinstance(found, int) or found < 1:
        raise ValueError(f"{path} must be a configuration that practicezoo.save wrote, got format {found!r}")
    if found > FORMAT:
        raise ValueError(
            f"{path} must have the format {FORMAT}, which this version of practicezoo reads, got {found}: "
            "upgrade practicezoo"
        )
    for key, kind in REQUIRED.items():
        if not isinstance(config.get(key), kind):
            raise ValueError(  # noqa: TRY004  # it is the file that is wrong
                f"{path} must have {key!r} as practicezoo.save writes it, got {config.get(key)!r}"
            )
    return config


def read_state(folder: Folder, config: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a folder, if they are the bytes that its configuration was written with.

    Floating-point tensors come in float32 where the disk holds halves.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if one bit of it is another, or it is another file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = folder / TENSORS
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != config["sha256"]:
        raise ValueError(
            f"{path} must have the SHA-256 {config['sha256'][:16]}... that {CONFIG} names, "
            f"got {digest[:16]}... ({len(content):,} bytes): it is damaged or another file"
        )
    try:
        state = load(content)
    except SafetensorError as error:
        raise ValueError(f"{path} must hold tensors in the safetensors format: {error}") from None
    widened = config.get("dtype") == "float16"
    return {
        name: value.float() if widened and value.is_floating_point() else value
        for name, value in state.items()
    }


def read_text(path: Folder) -> str:
    """A file's text.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: if it is not UTF-8.
    """
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text, got a wrong byte at {error.start}") from None


def _read(path: Folder) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"{path} is missing: a folder of weights has {CONFIG} and {TENSORS}"
        ) from error
