"""The course's table of eight measurements."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from practicezoo.data.files import MAX_BYTES, read_whole
from practicezoo.data.tabular import CSVDataset

__all__ = ["DiabetesDataset"]


class DiabetesDataset(CSVDataset):
    r"""The course's table: eight measurements of 759 women, and whether they have diabetes.

    The measurements are scaled to [-1, 1]. It is the Pima Indians table of 1988 (768 rows) with two faults,
    which ``repair=True`` undoes:

    - The label is inverted: a 1 (496 rows) means *no* diabetes. Repaired, a 1 means diabetes (263 rows).
    - Wherever scaling gave -1, the least value of a column, the file has a 0, the middle. Repaired, all 821
      zeros are -1 again. None of them is a true 0. In four columns scaling cannot give 0: the middle between
      least and greatest value is no whole step of the measurement (8.5 pregnancies). In the other four it
      could, but the original has just nine such rows (age 51, blood pressure 61), and these are the nine
      that the file lacks.

    What cannot be repaired: where the original has a 0 for glucose (5 rows), blood pressure (35), skin
    thickness (224), insulin (371) or body mass index (11), nothing was measured. Such a value stays -1; it is
    unknown, not small.

    Args:
        path: the file, ``diabetes.csv.gz`` or unpacked: rows of nine numbers without a header.
        repair: whether to undo the two faults.
        dtype: type of the items.
        max_bytes: what a .gz archive may unpack to; default: 64 MiB.

    Attributes:
        feature_names: what was measured, column by column.

    An item is ``(features, target)``: tensors ``(8,)`` and ``(1,)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a table (the message gives its shape), a value is outside
            [-1, 1], a label is neither 0 nor 1, or a table that has a -1 is to be repaired; and as
            :class:`CSVDataset`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "diabetes.csv"
        >>> _ = path.write_text("-0.29,0.49,0.18,-0.29,0,0.001,-0.53,-0.03,0\n")
        >>> features, target = DiabetesDataset(path, repair=True)[0]
        >>> features[4], target
        (tensor(-1.), tensor([1.]))

    Source: Smith et al., 1988, Using the ADAP learning algorithm to forecast the onset of diabetes mellitus.
    """

    feature_names: ClassVar[tuple[str, ...]] = (
        "pregnancies",
        "glucose",
        "blood pressure",
        "skin thickness",
        "insulin",
        "body mass index",
        "pedigree",
        "age",
    )

    def __init__(
        self,
        path: str | Path,
        *,
        repair: bool = False,
        dtype: torch.dtype = torch.float32,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._check_shape(Path(path), max_bytes)
        super().__init__(path, dtype=dtype, max_bytes=max_bytes)
        self.repair = repair
        features, targets = self.tensors()
        self._check(features, targets)
        if repair:
            if (features == -1).any():
                raise ValueError(
                    f"{path}: repair must be False for a table that has a -1: nothing is to undo"
                )
            self._tensors = features.masked_fill(features == 0, -1), 1 - targets

    def _check_shape(self, path: Path, max_bytes: int) -> None:
        """Other tables of that name are told by their shape, whatever stands between their values."""
        rows = [line for line in read_whole(path, max_bytes=max_bytes).splitlines() if line.strip()]
        num_features = len(self.feature_names)
        if rows and rows[0].count(b",") != num_features:
            num_columns = len(rows[0].replace(b",", b" ").split())
            raise ValueError(
                f"{path}: the table must have {num_features + 1} columns with commas between them, "
                f"{num_features} features and a label, got shape ({len(rows)}, {num_columns})"
            )

    def _check(self, features: Tensor, targets: Tensor) -> None:
        for name, column in zip(self.feature_names, features.unbind(dim=1), strict=True):
            largest = column[column.abs().argmax()].item()
            if abs(largest) > 1:
                raise ValueError(f"{self.path}: {name} must be scaled to [-1, 1], got {largest:g}")
        wrong = targets[(targets != 0) & (targets != 1)]
        if len(wrong):
            raise ValueError(f"{self.path}: labels must be 0 or 1, got {wrong[0].item():g}")
