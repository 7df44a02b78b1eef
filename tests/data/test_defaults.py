"""Defaults that the user has set reach none of the library's data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_flatten

from practicezoo import (
    CharVocab,
    LengthBucketBatchSampler,
    NameDataset,
    PaddedSequence,
    TensorLoader,
    pad_collate,
    synthetic_digits,
)
from practicezoo.data import CSVDataset, NormalizeImages, RandomShift, pack_collate, synthetic_table
from practicezoo.data.normalize import _constants
from practicezoo.recipes.holdout import hold_out

NAMES = [("Abe", "x"), ("Li", "y"), ("Kimura", "y")]
ROWS = torch.arange(10)
STEPS = torch.tensor([[1, -100], [1, 2]])
PADDED = PaddedSequence(torch.tensor([[1, 0], [1, 2]]), torch.tensor([1, 2]))


def table(folder: Path, **settings: Any) -> Any:
    (folder / "table.csv").write_text("1,2\n3,4\n")
    return CSVDataset(folder / "table.csv", **settings)[1]


USES: dict[str, Callable[[Path], Any]] = {
    "vocab": lambda _: CharVocab().encode("Abe"),
    "names": lambda _: [*NameDataset(NAMES).tensors(), NameDataset(NAMES).lengths],
    "pad_collate": lambda _: pad_collate([(STEPS[0], 0), ([3], 1)]),
    "pack_collate": lambda _: list(pack_collate([(STEPS[1], [1, 2]), ([3], [1])])),
    "loader": lambda _: list(TensorLoader(ROWS, ROWS, batch_size=4, shuffle=True, seed=1)),
    "loader of steps": lambda _: list(TensorLoader(PADDED, STEPS, batch_size=1)),
    "sampler": lambda _: list(LengthBucketBatchSampler([3, 1, 2], 2)),
    "digits": lambda _: synthetic_digits(20, seed=0).tensors(),
    "normalize": lambda _: NormalizeImages(0.5, 0.5)(
        torch.zeros(1, 1, 2, 2, dtype=torch.uint8, device="cpu")
    ),
    "table": lambda _: synthetic_table(5, seed=0),
    "csv": table,
    "lazy csv": lambda folder: table(folder, lazy=True),
    "shift": lambda _: RandomShift(1)(torch.zeros(2, 1, 4, 4, device="cpu", dtype=torch.float32)),
    "held out": lambda _: hold_out(STEPS[1].repeat(3), fraction=0.5, seed=0),
}


@pytest.fixture(params=["float64", "meta"])
def users_default(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    def change() -> None:
        _constants.cache_clear()
        if request.param == "meta":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(torch.float64)

    yield change
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    _constants.cache_clear()


@pytest.mark.parametrize("use", USES)
def test_data_is_the_same_under_defaults_of_the_users_own(use, users_default, tmp_path):
    def made() -> list[Any]:
        torch.manual_seed(0)
        return tree_flatten(USES[use](tmp_path))[0]

    before = made()
    users_default()
    after = made()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    for old, new in zip(before, after, strict=True):
        assert type(old) is type(new)
        if isinstance(old, torch.Tensor):
            assert (old.dtype, old.device) == (new.dtype, new.device)
            assert torch.equal(old, new)
        else:
            assert str(old) == str(new)
