"""The course's table: eight measurements, and whether someone has diabetes."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.optim import SGD, AdamW

from practicezoo.data import DiabetesDataset, synthetic_table
from practicezoo.data.root import data_root, find_file
from practicezoo.predictors import RowInput
from practicezoo.recipes.holdout import hold_out
from practicezoo.recipes.recipe import DataOptions, Recipe, Setting, Splits
from practicezoo.runtime.device import device_of
from practicezoo.training import Accuracy, evaluate

__all__ = ["DiabetesMLP"]

REPAIRED, ORIGINAL, SYNTHETIC = "diabetes", "diabetes_original", "synthetic"
# The labels of a 0 and a 1; the original file has them the wrong way round.
LABELS = {
    REPAIRED: ["no diabetes", "diabetes"],
    ORIGINAL: ["diabetes", "no diabetes"],
    SYNTHETIC: ["no", "yes"],
}
TEST_FRACTION = 0.2
NUM_SYNTHETIC = 1000
TUNED = Setting(
    epochs=400,
    batch_size=128,
    optimizer=partial(AdamW, lr=0.01, weight_decay=0.1),
    criterion=nn.BCEWithLogitsLoss,
    report_every=20,
    num_threads=1,
)


class DiabetesMLP(Recipe):
    """Trains the registered network of 87 parameters; a fifth of the rows, drawn by the seed, is the test."""

    name = "diabetes_mlp"
    summary = "a table of eight measurements: three layers with sigmoid"
    data = "course/diabetes.csv.gz below --data, mended, as it is, or a table drawn by the library"
    sample = "rows of eight numbers with commas between them"
    reference = "about 77 %, above the 65.35 % of the larger class"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"test_accuracy": (0.70, 1)}
    datasets = (REPAIRED, ORIGINAL, SYNTHETIC)
    course_data = ORIGINAL
    quick = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": Setting(
            epochs=1000,
            batch_size=32,
            optimizer=partial(SGD, lr=0.1),
            criterion=nn.BCEWithLogitsLoss,
            dataset=ORIGINAL,
            report_every=50,
            num_threads=1,
        ),
        "tuned": TUNED,
        "best": dataclasses.replace(TUNED, averaging=0.99),
    }

    def read(self, options: DataOptions, *, seed: int) -> Splits:
        """The table, four to one for training and test."""
        name = options.dataset or self.datasets[0]
        features, targets = _table(name, options.root)
        is_test = hold_out(targets.flatten(), fraction=TEST_FRACTION, seed=seed)
        return Splits(
            source=name,
            train=(features[~is_test], targets[~is_test]),
            test=(features[is_test], targets[is_test]),
            classes=LABELS[name],
            extra={"num_features": features.shape[1]},
        )

    def model_config(self, splits: Splits) -> dict[str, Any]:
        """As many inputs as the table has features."""
        return {"in_features": splits.extra["num_features"]}

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """Accuracy on the test rows, beside that of always saying the larger class."""
        rows = tuple(part.to(device_of(model)) for part in splits.test)
        fraction = splits.test[1].mean().item()
        return {
            **evaluate(model, [rows], metrics={"test_accuracy": Accuracy()}),
            "test_majority": max(fraction, 1 - fraction),
        }

    def preprocessing(self, splits: Splits) -> RowInput:
        """Rows of as many numbers as the table has features."""
        return RowInput(splits.extra["num_features"])


def _table(name: str, root: Path | None) -> tuple[Tensor, Tensor]:
    if name == SYNTHETIC:
        return synthetic_table(NUM_SYNTHETIC, seed=0)
    try:
        path = find_file(data_root(root), "course/diabetes.csv.gz", "diabetes.csv.gz")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}. Name a data root that has it (--data or PRACTICEZOO_DATA), or do without "
            "(--dataset synthetic)"
        ) from error
    return DiabetesDataset(path, repair=name == REPAIRED).tensors()
