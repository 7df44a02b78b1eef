"""Where real data sets lie."""

import os
from pathlib import Path

__all__ = ["data_root", "find_file"]


def data_root(folder: str | Path | None = None) -> Path:
    """The folder of real data: ``folder``, else ``PRACTICEZOO_DATA``, else the user's cache folder.

    Args:
        folder: a folder to use instead of the other two.

    Raises:
        FileNotFoundError: if ``folder`` is given and is no folder, or none is named and the user has no home.
    """
    if folder is not None:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"the data root must be a folder, got {folder}")
        return Path(folder)
    if named := os.environ.get("PRACTICEZOO_DATA"):
        return Path(named)
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # neither HOME nor an entry for the user
        raise FileNotFoundError(
            "the data root must be named (--data or PRACTICEZOO_DATA) where the user has no home folder"
        ) from None
    return Path(cache) / "practicezoo"


def find_file(root: Path, *places: str) -> Path:
    """The first of ``places`` below ``root`` that is a file.

    Raises:
        FileNotFoundError: if none is; the message lists them.
    """
    for place in places:
        if (root / place).is_file():
            return root / place
    raise FileNotFoundError(f"{root} must hold {' or '.join(places)}; neither is there")
