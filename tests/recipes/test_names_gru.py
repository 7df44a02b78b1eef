"""The recipe as a user runs it: train, choose on validation data, measure, predict."""

import csv
import dataclasses
import gzip
import json
from importlib.resources import files
from typing import Any

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from practicezoo import NameDataset, PaddedSequence, load
from practicezoo.recipes import DataOptions, get_recipe, load_trained, train_recipe
from practicezoo.recipes.holdout import hold_out
from practicezoo.recipes.systems.names_gru import NamesGRU, drop_characters
from practicezoo.training import fit, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def trained(small_names, tmp_path_factory):
    """A short run on the names that come along."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train_recipe(get_recipe("names_gru"), folder, epochs=2, device="cpu", seed=3)


def test_a_run_leaves_its_four_files(trained):
    folder, result = trained
    assert [path.name for path in result.files] == [
        "history.csv",
        "curve.png",
        "checkpoint.pt",
        "result.json",
    ]
    assert all(path.stat().st_size > 0 for path in result.files)
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["val_accuracy"]) for row in rows] == result.history["val_accuracy"]


def test_result_names_everything_that_a_result_depends_on(trained):
    folder, result = trained
    figures = json.loads((folder / "result.json").read_text())
    assert figures == result.figures
    assert figures["seed"] == 3
    assert figures["epochs"] == 2
    assert figures["seconds"] > 0
    assert figures["versions"]["torch"] == torch.__version__
    assert {"test_accuracy", "test_accuracy_unseen", "test_macro_recall"} <= figures.keys()


def test_the_checkpoint_is_the_epoch_that_did_best_on_validation_data(trained):
    folder, result = trained
    state = load_checkpoint(folder / "checkpoint.pt")
    assert state["epoch"] == result.history.best("val_accuracy").epoch == result.figures["best_epoch"]


def test_the_saved_model_reaches_the_reported_figures(trained):
    folder, result = trained
    recipe = get_recipe("names_gru")
    model, state = load_trained(recipe, folder / "checkpoint.pt", device="cpu")
    splits = recipe.load(DataOptions(), seed=state["seed"])
    measured = recipe.measure(model, splits)
    assert measured == {name: result.figures[name] for name in measured}


def test_the_same_seed_gives_the_same_run(trained, tmp_path):
    _, first = trained
    again = train_recipe(get_recipe("names_gru"), tmp_path, epochs=2, device="cpu", seed=3)
    assert again.history["train_loss"] == first.history["train_loss"]


def test_a_prediction_ranks_all_countries_and_ignores_the_company(trained):
    predictor = load(trained[0] / "checkpoint.pt")
    alone = predictor("Álvarez", top=18)
    together = predictor(["Yamamoto-Vandenberghe", "Álvarez"], top=18)[1]
    assert [label for label, _ in alone.ranking] == [label for label, _ in together.ranking]
    assert dict(alone.ranking) == pytest.approx(dict(together.ranking), abs=1e-6)
    shares: list[Any] = [share for _, share in alone.ranking]
    assert len(shares) == 18
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)


def test_validation_names_come_from_train_and_leave_it():
    recipe = get_recipe("names_gru")
    splits = recipe.load(DataOptions(), seed=0)
    mask = hold_out(splits.train[1], fraction=recipe.settings["tuned"].held_out, seed=0)
    kept, held_out = (
        {tuple(row[:length].tolist()) for row, length in zip(*splits.part(mask)[0], strict=True)}
        for mask in (~mask, mask)
    )
    assert not kept & held_out
    assert len(kept) + len(held_out) == len(NameDataset.mini("train"))
    assert 0.08 < len(held_out) / len(NameDataset.mini("train")) < 0.12


def test_figures_by_hand(monkeypatch):
    recipe = get_recipe("names_gru")
    names = PaddedSequence(torch.ones(4, 1, dtype=torch.int64), torch.ones(4, dtype=torch.int64))
    splits = dataclasses.replace(
        recipe.load(DataOptions(), seed=0),
        test=(names, torch.tensor([0, 0, 0, 1])),
        extra={"unseen": torch.tensor([True, False, False, True])},
    )
    logits = torch.eye(2)[[0, 0, 1, 1]]  # predicts 0, 0, 1, 1
    monkeypatch.setattr("practicezoo.recipes.systems.names_gru.predict", lambda *_: logits)
    assert recipe.measure(torch.nn.Identity(), splits) == {
        "test_accuracy": 0.75,
        "test_accuracy_unseen": 1.0,
        "test_macro_recall": pytest.approx((2 / 3 + 1) / 2),
    }


def test_dropped_characters_become_padding_and_lengths_stay():
    names = PaddedSequence(torch.full((200, 10), 65), torch.full((200,), 10))
    dropped = drop_characters(names)
    assert set(dropped.data.unique().tolist()) == {0, 65}
    assert 0.05 < (dropped.data == 0).double().mean() < 0.15
    assert dropped.lengths is names.lengths


def test_a_run_computes_with_its_own_threads_and_gives_the_others_back(small_names, tmp_path, monkeypatch):
    seen = []

    def spy(*args, **keywords):
        seen.append(torch.get_num_threads())
        return fit(*args, **keywords)

    monkeypatch.setattr("practicezoo.recipes.experiment.fit", spy)
    torch.set_num_threads(2)
    try:
        train_recipe(get_recipe("names_gru"), tmp_path, epochs=1, device="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert set(seen) == {1}


def write_names(path, rows):
    text = "\n".join(",".join(row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("below", ["course", "."])
def test_the_courses_files_are_found_in_the_data_root(tmp_path, below):
    folder = tmp_path / below
    folder.mkdir(exist_ok=True)
    write_names(folder / "names_train.csv.gz", [("Abe", "Japanese"), ("Ito", "Japanese"), ("Novak", "Czech")])
    write_names(folder / "names_test.csv.gz", [("Abe", "Japanese"), ("Kato", "Japanese")])
    splits = get_recipe("names_gru").load(DataOptions(root=tmp_path), seed=0)
    assert splits.source == "course names"
    assert splits.classes == ["Czech", "Japanese"]
    assert splits.extra["unseen"].tolist() == [False, True]


def test_a_data_root_without_the_files_is_an_error_that_lists_them(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"must hold course/names_train\.csv\.gz or names_train\.csv\.gz"
    ):
        get_recipe("names_gru").load(DataOptions(root=tmp_path), seed=0)


def test_a_data_root_that_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the data root must be a folder, got .*missing"):
        get_recipe("names_gru").load(DataOptions(root=tmp_path / "missing"), seed=0)


def test_the_environments_data_root_is_used_where_it_has_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICEZOO_DATA", str(tmp_path))
    assert get_recipe("names_gru").load(DataOptions(), seed=0).source == "mini names"
    for split in ("train", "test"):
        write_names(tmp_path / f"names_{split}.csv.gz", [("Abe", "Japanese"), ("Novak", "Czech")])
    assert get_recipe("names_gru").load(DataOptions(), seed=0).source == "course names"


def test_one_csv_file_is_not_enough(tmp_path):
    with pytest.raises(ValueError, match=r"train_csv and test_csv .* must be given together"):
        get_recipe("names_gru").load(DataOptions(train_csv=tmp_path / "a.csv"), seed=0)


def test_an_unknown_country_in_the_test_file(tmp_path):
    train = write_names(tmp_path / "train.csv", [("Abe", "Japanese"), ("Novak", "Czech")])
    test = write_names(tmp_path / "test.csv", [("Abe", "Japanese"), ("Poe", "Atlantis")])
    options = DataOptions(train_csv=train, test_csv=test)
    with pytest.raises(ValueError, match="row 2: label must be one of the 2 classes, got 'Atlantis'"):
        get_recipe("names_gru").load(options, seed=0)


def test_a_loss_that_becomes_nan_keeps_the_checkpoints_from_before(small_names, tmp_path, monkeypatch):
    setting = dataclasses.replace(
        NamesGRU.settings["course"],
        optimizer=lambda parameters: SGD(parameters, lr=0.1),
        lr_scheduler=lambda optimizer, _: LambdaLR(optimizer, lambda epoch: 1.0 if epoch < 1 else 1e38),
    )
    monkeypatch.setattr(NamesGRU, "settings", {"course": setting})
    message = r"the loss became (nan|inf) in epoch 2, between updates 1 and 40, at learning rate 1e\+37"
    with pytest.raises(FloatingPointError, match=message):
        train_recipe(get_recipe("names_gru"), tmp_path, setting="course", epochs=5, device="cpu")
    model, state = load_trained(get_recipe("names_gru"), tmp_path / "best.pt", device="cpu")
    assert len(state["history"]["val_loss"]) == 1
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_another_recipes_checkpoint_is_refused(tmp_path):
    save_checkpoint(tmp_path / "other.pt", {"recipe": "mnist_cnn"})
    with pytest.raises(ValueError, match="must be a checkpoint of names_gru, got one of mnist_cnn"):
        load_trained(get_recipe("names_gru"), tmp_path / "other.pt")


def test_dropped_characters_train_the_unknown_id(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("Müller,DE\nNuñez,ES\n" * 20, encoding="utf-8")
    options = DataOptions(train_csv=tmp_path / "train.csv", test_csv=tmp_path / "test.csv")
    splits = NamesGRU().load(options, seed=0)
    names, _ = splits.train
    assert isinstance(names, PaddedSequence)
    assert splits.transform is not None
    torch.manual_seed(0)
    dropped = splits.transform(drop_characters(names))
    unknown = len(splits.saved["characters"]) + 1
    changed = dropped.data != names.data
    assert 0 < changed.sum() < 40
    assert (dropped.data[changed] == unknown).all()
    assert torch.equal(dropped.data == 0, names.data == 0)  # padding stays
    assert torch.equal(splits.transform(names).data, names.data)


def test_an_unknown_recipe_lists_near_ones():
    with pytest.raises(ValueError, match=r"got 'names_gur'; near: names_gru"):
        get_recipe("names_gur")


def test_the_asset_travels_with_the_package():
    assert (files("practicezoo.data") / "assets" / "mini_names.csv").is_file()


def test_the_embedded_names_are_asked_for_by_name(tmp_path):
    recipe = get_recipe("names_gru")
    assert recipe.load(DataOptions(dataset="mini names"), seed=0).source == "mini names"
    with pytest.raises(FileNotFoundError, match=r"names_train.csv.gz"):
        recipe.load(DataOptions(root=tmp_path, dataset="course names"), seed=0)
    files_given = DataOptions(train_csv=tmp_path / "a.csv", test_csv=tmp_path / "b.csv", dataset="mini names")
    with pytest.raises(
        ValueError, match="dataset must be left out beside train_csv and test_csv, got 'mini names'"
    ):
        recipe.load(files_given, seed=0)
