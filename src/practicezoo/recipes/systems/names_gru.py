"""Names to countries: the course's name classification with a bidirectional GRU."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim import Adam, AdamW

from practicezoo.data import CharVocab, NameDataset, TensorLoader
from practicezoo.data.columns import Columns
from practicezoo.data.root import data_root, find_file
from practicezoo.predictors import TextInput
from practicezoo.recipes.recipe import (
    DataOptions,
    Distillation,
    Recipe,
    Setting,
    Splits,
    changed,
    one_cycle,
)
from practicezoo.sequences import PaddedSequence
from practicezoo.training import predict

__all__ = ["NamesGRU"]

COURSE, MINI = "course names", "mini names"
MAX_LR = 4e-3
VALIDATION_FRACTION = 0.1
OWN_FILES = "train_csv and test_csv (--train-csv, --test-csv)"


def drop_characters(names: PaddedSequence) -> PaddedSequence:
    """Put padding in the place of every tenth character, at random: its embedding is zero."""
    dropped = torch.rand(names.data.shape, device=names.data.device) < 0.1
    return names._replace(data=names.data.masked_fill(dropped, CharVocab.padding_idx))


TUNED = Setting(
    epochs=20,
    batch_size=128,
    optimizer=lambda p: AdamW(p, lr=MAX_LR),
    lr_scheduler=one_cycle(MAX_LR),
    criterion=lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
    model_overrides={"dropout": 0.3},
    transform=drop_characters,
    num_threads=1,  # a step's matrices are so small that more threads only wait for each other
)


class NamesGRU(Recipe):
    """Trains :class:`~practicezoo.CharGRUClassifier` to tell the country of a name."""

    name = "names_gru"
    summary = "names to countries: bidirectional GRU over characters"
    data = "--train-csv and --test-csv, else the data root's names_*.csv.gz, else 1,891 embedded names"
    sample = "names"
    reference = "peak about 85.2 % on the course's test names, plateau 84 %"
    expected: ClassVar[Mapping[str, tuple[float, float]]] = {"test_accuracy": (0.83, 1)}
    datasets = (COURSE, MINI)
    course_data = COURSE
    takes_csv = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "course": Setting(
            epochs=30,
            batch_size=256,
            optimizer=lambda p: Adam(p, lr=1e-3),
            num_threads=1,
            held_out=VALIDATION_FRACTION,
        ),
        "tuned": dataclasses.replace(TUNED, held_out=VALIDATION_FRACTION, refit=True),
        "best": dataclasses.replace(
            TUNED,
            epochs=30,
            criterion=nn.CrossEntropyLoss,
            distillation=Distillation(teacher=TUNED, num_teachers=6, lowered=0.3),
        ),
    }

    def read(self, options: DataOptions, *, seed: int) -> Splits:  # nothing is drawn
        """The names; validation takes its tenth of each country."""
        source, test_source, train, test = _read(options)
        names, targets = train.tensors()
        seen = set(train.names)
        return Splits(
            source=source,
            train=(names, targets),
            test=test.tensors(),
            classes=train.classes,
            transform=_as_unknown(train.vocab),
            extra={"unseen": torch.tensor([name not in seen for name in test.names])},
            saved=_saved(train.vocab),
            test_source=test_source,
        )

    def setting_for(self, splits: Splits, name: str) -> Setting:
        """Smaller batches for the names that come along: there are a tenth as many."""
        setting = self.settings[name]
        return changed(setting, batch_size=32) if splits.source == MINI else setting

    def model_config(self, splits: Splits) -> dict[str, Any]:
        """As many character ids and classes as the data has."""
        return {"num_chars": len(_vocab(splits.saved)), "num_classes": len(splits.classes)}

    def measure(self, model: nn.Module, splits: Splits) -> dict[str, Any]:
        """Accuracy on all test names and on those that training never saw, and mean recall."""
        names, targets = splits.test
        predicted = predict(model, TensorLoader(names, targets, batch_size=1024, num_replicas=1)).argmax(
            dim=1
        )
        right = (predicted == targets).double()
        unseen = splits.extra["unseen"]
        recalls = [right[targets == label].mean() for label in targets.unique()]
        return {
            "test_accuracy": right.mean().item(),
            "test_accuracy_unseen": right[unseen].mean().item() if unseen.any() else None,
            "test_macro_recall": torch.stack(recalls).mean().item(),
        }

    def check_data(self, splits: Splits, state: Mapping[str, Any]) -> None:
        """Classes and characters must be the checkpoint's: an id means nothing else."""
        super().check_data(splits, state)
        if _vocab(splits.saved) != _vocab(state["saved"]):
            raise ValueError(
                "the data's characters must be the checkpoint's, got others: give the training file that it "
                "was trained on"
            )

    def preprocessing(self, splits: Splits) -> TextInput:
        """Names as the ids of the training data's characters."""
        return TextInput(**splits.saved)


def _as_unknown(vocab: CharVocab) -> Callable[[PaddedSequence], PaddedSequence] | None:
    """Make dropped characters unknown ones, if there is an id for those, so that it is trained."""
    if vocab.unknown_idx is None:
        return None
    unknown = vocab.unknown_idx

    def transform(names: PaddedSequence) -> PaddedSequence:
        places = torch.arange(names.data.shape[1]) < names.lengths[:, None]
        dropped = places.to(names.data.device) & (names.data == CharVocab.padding_idx)
        return names._replace(data=names.data.masked_fill(dropped, unknown))

    return transform


def _saved(vocab: CharVocab) -> dict[str, Any]:
    return {"characters": vocab.characters, "unknown": vocab.unknown_idx is not None}


def _vocab(saved: Mapping[str, Any]) -> CharVocab:
    return CharVocab(saved["characters"], unknown=saved.get("unknown", False))


def _read(options: DataOptions) -> tuple[str, str, NameDataset, NameDataset]:
    """What the data is, the test file, the training names and the test names."""
    if (options.train_csv is None) != (options.test_csv is None):
        raise ValueError(f"{OWN_FILES} must be given together, got only one of them")
    if options.train_csv is not None and options.dataset is not None:
        raise ValueError(f"dataset must be left out beside train_csv and test_csv, got {options.dataset!r}")
    columns = Columns(options.header, options.name_column, options.label_column)
    if options.train_csv is not None and options.test_csv is not None:
        vocab = _vocab_of(columns, options.train_csv)
        return _read_pair(options.train_csv.name, options.train_csv, options.test_csv, columns, vocab)
    if columns != Columns("auto", 0, 1):
        raise ValueError(f"{OWN_FILES} must be given where columns are named, got neither")
    if options.dataset == MINI:
        return MINI, "", NameDataset.mini("train"), NameDataset.mini("test")
    try:
        root = data_root(options.root)
        train_path, test_path = (
            find_file(root, f"course/names_{split}.csv.gz", f"names_{split}.csv.gz")
            for split in ("train", "test")
        )
    except FileNotFoundError:
        if options.root is not None or options.dataset == COURSE:
            raise
        return MINI, "", NameDataset.mini("train"), NameDataset.mini("test")
    return _read_pair(COURSE, train_path, test_path, columns, None)


def _read_pair(
    source: str, train_path: Path, test_path: Path, columns: Columns, vocab: CharVocab | None
) -> tuple[str, str, NameDataset, NameDataset]:
    def read(path: Path, classes: Sequence[str] | None) -> NameDataset:
        return NameDataset(
            path,
            classes=classes,
            vocab=vocab,
            header=columns.header,
            name_column=columns.name,
            label_column=columns.label,
        )

    train = read(train_path, None)
    return source, str(test_path), train, read(test_path, train.classes)


def _vocab_of(columns: Columns, path: Path) -> CharVocab | None:
    """ASCII where the names are; else each character of theirs, so that no mark and no script is lost."""
    names = [name.strip() for _, (name, _) in columns.read(path)]
    if all(map(str.isascii, names)):
        return None
    printable = ("".join(filter(str.isprintable, name)) for name in names)
    return CharVocab.from_texts(printable, unknown=True)
