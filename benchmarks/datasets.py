"""The data that several scripts train on."""

import os
from pathlib import Path

from practicezoo.data import NameDataset

__all__ = ["training_names"]

COURSE_NAMES = "course/names_train.csv.gz"


def training_names() -> tuple[NameDataset, str]:
    """Return names to train on and where they come from.

    The course's 13,374 names where the data root PRACTICEZOO_DATA has them, else the small set that
    the library carries.
    """
    root = os.environ.get("PRACTICEZOO_DATA")
    if root and (Path(root) / COURSE_NAMES).exists():
        return NameDataset(Path(root) / COURSE_NAMES), COURSE_NAMES
    return NameDataset.mini("train"), "mini"
