"""Splits that number their classes differently are found, others are not."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from practicezoo import CharGRUClassifier, NameDataset, TensorLoader, pack_collate
from practicezoo.data import load_images
from practicezoo.diagnostics import check
from support.programs import FEATURES, Program, mlp


def without(tensors, missing):
    """The samples of all but one class, numbered as a list without it would."""
    inputs, targets = tensors
    rows = (targets != missing).nonzero().flatten()
    kept = inputs.rows(rows) if hasattr(inputs, "rows") else inputs[rows]
    return kept, targets[rows] - (targets[rows] > missing).long()


def compare(train, val, model=None, **settings):
    loaders = [TensorLoader(*each, batch_size=64, shuffle=True, **settings) for each in (train, val)]
    model = model or CharGRUClassifier()
    return [
        finding.code
        for finding in check(model, loaders[0], criterion=nn.CrossEntropyLoss(), val_loader=loaders[1])
    ]


def test_names_are_found_whose_splits_number_their_classes_differently():
    train, test = (NameDataset.mini(split).tensors() for split in ("train", "test"))
    for seed in range(8):
        torch.manual_seed(seed)
        assert compare(train, test) == []
        assert compare(train, without(test, missing=seed)) == ["class-lists-differ"]


@pytest.mark.realdata("course/names_train.csv.gz", "course/names_test.csv.gz")
def test_the_courses_names_are_found_if_their_splits_number_classes_differently(data_root):
    train_set = NameDataset(data_root / "course" / "names_train.csv.gz")
    test_set = NameDataset(data_root / "course" / "names_test.csv.gz", classes=train_set.classes)
    train, test = train_set.tensors(), test_set.tensors()
    for seed in range(5):
        torch.manual_seed(seed)
        assert compare(train, test) == []
    for missing in range(train_set.classes.index("Russian")):  # half of all names: no later class shows
        assert compare(train, without(test, missing)) == ["class-lists-differ"]


@pytest.mark.realdata("MNIST/raw/train-images-idx3-ubyte.gz", "MNIST/raw/t10k-images-idx3-ubyte.gz")
def test_mnist_is_found_if_its_splits_number_classes_differently(data_root):
    train, test = (load_images("mnist", split, root=data_root) for split in ("train", "test"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    settings = {"model": model, "transform": train.normalize}
    for seed in range(5):
        torch.manual_seed(seed)
        assert compare(train.tensors(), test.tensors(), **settings) == []
    for missing in range(9):
        assert compare(train.tensors(), without(test.tensors(), missing), **settings) == [
            "class-lists-differ"
        ]


def test_labels_unrelated_to_the_inputs_have_no_finding():
    for seed in range(10):
        torch.manual_seed(seed)
        train, val = ((torch.randn(2000, FEATURES), torch.randint(4, (2000,))) for _ in range(2))
        assert compare(train, val, model=mlp(outputs=4)) == []


def test_packed_batches_and_sorted_validation_data_are_compared():
    train, test = NameDataset.mini("train"), NameDataset.mini("test")
    # no class lists in sight: the samples are a plain list
    samples = [[dataset[index] for index in range(len(dataset))] for dataset in (train, test)]
    samples[1] = [(ids, label - (label > 2)) for ids, label in samples[1] if label != 2]
    loaders: list[Any] = [
        DataLoader(samples[0], batch_size=64, shuffle=True, collate_fn=pack_collate),
        DataLoader(sorted(samples[1], key=lambda sample: sample[1]), batch_size=64, collate_fn=pack_collate),
    ]
    program = Program(CharGRUClassifier(), loaders[0], nn.CrossEntropyLoss(), None, loaders[1])
    assert program.codes() == ["class-lists-differ"]
