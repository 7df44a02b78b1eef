"""The first lessons' recipes: golden values, what they print, what they refuse."""

import dataclasses
import gzip
import json
from itertools import pairwise
from typing import Any

import pytest
import torch

from practicezoo.cli import main
from practicezoo.predictors import load
from practicezoo.recipes import (
    DataOptions,
    get_recipe,
    list_recipes,
    load_trained,
    regress_by_hand,
    reproduce,
    train_recipe,
)
from practicezoo.training import load_checkpoint

QUICK = ["linear_regression", "logistic_regression", "hello_rnn_cell", "hello_rnn", "hello_embedding_rnn"]


def train(name, folder, **keywords):
    return train_recipe(get_recipe(name), folder, device="cpu", progress=False, **keywords)


def test_regression_by_hand_takes_the_courses_steps():
    weights = regress_by_hand()
    golden = {1: 1.2606880665, 2: 1.4534177780, 3: 1.5959051847, 10: 1.9512161016, 100: 1.9999996423721313}
    for epoch, weight in golden.items():
        assert weights[epoch - 1] == pytest.approx(weight, abs=3e-7)


def test_regression_by_hand_shrinks_the_error_by_one_factor():
    errors = [2 - weight for weight in regress_by_hand(epochs=8)]
    for before, after in pairwise(errors):
        assert after / before == pytest.approx(0.739312, abs=1e-5)


@pytest.mark.parametrize("name", QUICK)
def test_every_setting_trains_and_loads_again(name, tmp_path):
    recipe = get_recipe(name)
    for setting in recipe.settings:
        folder = tmp_path / setting
        result = train(name, folder, setting=setting, epochs=2)
        model, _ = load_trained(recipe, folder / "checkpoint.pt", device="cpu")
        measured = recipe.measure(model, recipe.load(DataOptions(), seed=0))
        assert measured == {key: result.figures[key] for key in measured}


def test_a_long_training_reports_now_and_then(tmp_path, capsys):
    arguments = ["train", "logistic_regression", "--setting", "course", "--device", "cpu"]
    assert main([*arguments, "--epochs", "250", "--out", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["100/250", "200/250", "250/250"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 250


def test_tuned_linear_regression_is_exact_in_three_epochs(tmp_path):
    figures = train("linear_regression", tmp_path).figures
    assert figures["weight"] == pytest.approx(2, abs=1e-5)
    assert figures["bias"] == pytest.approx(0, abs=1e-5)


def test_tuned_logistic_regression_crosses_between_two_and_three(tmp_path):
    figures = train("logistic_regression", tmp_path).figures
    assert 2.3 < figures["crosses_half_at"] < 2.7
    assert figures["chance_at_2"] < 0.5 < figures["chance_at_3"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "setting", "least"),
    [("hello_embedding_rnn", "course", 38), ("hello_rnn", "tuned", 38), ("hello_rnn_cell", "tuned", 38)],
)
def test_hello_becomes_ohlol_from_nearly_every_start(name, setting, least, tmp_path):
    right = [
        train(name, tmp_path / str(seed), setting=setting, seed=seed).figures["prediction"] == "ohlol"
        for seed in range(40)
    ]
    assert sum(right) >= least


@pytest.mark.parametrize("name", ["hello_rnn_cell", "hello_rnn", "hello_embedding_rnn"])
def test_the_courses_own_training_spells_ohlol(name, tmp_path, capsys):
    recipe = get_recipe(name)
    result = train(name, tmp_path, setting="course", seed=recipe.course_seed)
    assert (result.figures["prediction"], result.figures["accuracy"]) == ("ohlol", 1)
    assert main(["predict", name, "--checkpoint", str(tmp_path / "checkpoint.pt"), "hello", "hole"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["hello", "ohlol"]
    assert second.split()[0] == "hole"


@pytest.mark.parametrize(
    ("name", "sample", "message"),
    [
        ("hello_rnn", "help", "letters e, h, l, o, got 'p' at position 3 of 'help'"),
        ("hello_rnn", "", "word must not be empty"),
        ("linear_regression", "four", "a value of a row must be a number, got 'four'"),
        ("logistic_regression", "nan", "a value of a row must be a number, got 'nan'"),
        ("diabetes_mlp", "1,2", "must be 8 numbers with commas between them, got 2 in '1,2'"),
        ("diabetes_mlp", "1,2,3,4,5,6,7,x", "a value of a row must be a number, got 'x'"),
    ],
)
def test_predict_refuses_what_it_cannot_read(name, sample, message, tmp_path, capsys):
    data = DataOptions(dataset="synthetic") if name == "diabetes_mlp" else None
    train(name, tmp_path, epochs=1, data=data)
    assert main(["predict", name, "--checkpoint", str(tmp_path / "checkpoint.pt"), sample]) == 1
    assert message in capsys.readouterr().out.splitlines()[-1]


def test_predictions_of_numbers_and_chances(tmp_path, capsys):
    train("linear_regression", tmp_path / "line")
    assert (
        main(["predict", "linear_regression", "--checkpoint", str(tmp_path / "line/checkpoint.pt"), "4"]) == 0
    )
    assert capsys.readouterr().out.split() == ["4", "8.0000"]
    train("logistic_regression", tmp_path / "curve")
    recipe = get_recipe("logistic_regression")
    model, _ = load_trained(recipe, tmp_path / "curve" / "checkpoint.pt", device="cpu")
    (prediction,) = load(tmp_path / "curve" / "checkpoint.pt")(["4"])
    assert prediction.ranking[0][0] == "pass"
    assert dict(prediction.ranking)["pass"] == pytest.approx(
        model.predict_proba(torch.tensor([[4.0]])).item()
    )


def test_the_synthetic_table_is_learned_and_asked(tmp_path, capsys):
    result = train("diabetes_mlp", tmp_path, epochs=60, data=DataOptions(dataset="synthetic"))
    assert result.figures["data"] == "synthetic"
    assert result.figures["test_accuracy"] > 0.9
    arguments = ["predict", "diabetes_mlp", "--checkpoint", str(tmp_path / "checkpoint.pt")]
    assert main([*arguments, "1,-1,1,-1,1,-1,1,-1", "-1,1,-1,1,-1,1,-1,1", "-.1,0,0,0,0,0,0,0"]) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.split()[1] == "yes"
    assert second.split()[:2] == ["-1,1,-1,1,-1,1,-1,1", "no"]


def test_the_diabetes_file_is_found_mended_or_left(tmp_path):
    rows = [f"{'0.5,' * 7}0,{label}" for label in (0, 1) * 10]
    (tmp_path / "diabetes.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    recipe = get_recipe("diabetes_mlp")
    for dataset, value in (("diabetes", -1.0), ("diabetes_original", 0.0)):
        splits: Any = recipe.load(DataOptions(root=tmp_path, dataset=dataset), seed=0)
        assert splits.source == dataset
        assert splits.train[0][:, 7].unique().tolist() == [value]
        assert (len(splits.train[1]), len(splits.test[1])) == (16, 4)
    assert recipe.settings["course"].dataset == "diabetes_original"


def test_a_missing_diabetes_file_mentions_synthetic(tmp_path, capsys):
    assert main(["train", "diabetes_mlp", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "must hold course/diabetes.csv.gz or diabetes.csv.gz" in line
    assert "--dataset synthetic" in line


@pytest.mark.slow
@pytest.mark.realdata("course/diabetes.csv.gz")
def test_tuned_diabetes_reaches_three_quarters(tmp_path, data_root):
    options = DataOptions(root=data_root)
    accuracies = sorted(
        train("diabetes_mlp", tmp_path / str(seed), data=options, seed=seed).figures["test_accuracy"]
        for seed in range(5)
    )
    assert accuracies[2] >= 0.75


def test_reproduce_compares_with_the_course():
    rows = list(reproduce(["graph", "linear_regression_by_hand", "hello_embedding_rnn"], device="cpu"))
    assert [row.verdict for row in rows] == ["agrees"] * 3
    assert rows[0].measured == {"by_paths": 6.0, "by_autograd": 6.0}
    assert rows[2].measured == {"prediction": "ohlol", "accuracy": 1.0}


def test_reproduce_sees_a_difference(monkeypatch):
    recipe = type(get_recipe("linear_regression"))
    short = dataclasses.replace(recipe.settings["course"], epochs=10)
    monkeypatch.setattr(recipe, "settings", {"course": short})
    (row,) = reproduce(["linear_regression"], device="cpu")
    assert abs(row.measured["weight"] - 2) > 1e-3
    assert row.verdict == "differs"


def test_reproduce_judges_the_median_of_the_last_epochs_where_they_jump(few_digits, monkeypatch):
    recipe = type(get_recipe("mnist_mlp"))
    figures = iter([0.96, 0.97, 0.91, 0.95, 0.96, 0.5])  # five epochs, then the finished run's last
    monkeypatch.setattr(recipe, "measure", lambda *_: {"test_accuracy": next(figures)})
    monkeypatch.setattr(recipe, "course_data", "synthetic")
    course = recipe.settings["course"]
    short = dataclasses.replace(course, epochs=6, batch_size=600, dataset="synthetic")
    monkeypatch.setattr(recipe, "settings", {"course": short})
    (row,) = reproduce(["mnist_mlp"], device="cpu")
    assert row.measured == {"median_test_accuracy": 0.96}
    assert row.verdict == "agrees"


def test_measuring_the_last_epochs_changes_no_weight(few_digits, monkeypatch, tmp_path):
    recipe = type(get_recipe("mnist_mlp"))
    monkeypatch.setattr(recipe, "course_data", "synthetic")
    course = recipe.settings["course"]
    short = dataclasses.replace(course, epochs=2, batch_size=600, dataset="synthetic")
    monkeypatch.setattr(recipe, "settings", {"course": short})
    result = train("mnist_mlp", tmp_path, setting="course")
    monkeypatch.setattr(recipe, "expected", {"test_accuracy": (0, 1), "median_test_accuracy": (0, 1)})
    (row,) = reproduce(["mnist_mlp"], device="cpu")
    assert row.measured["test_accuracy"] == result.figures["test_accuracy"]


def test_reproduce_goes_on_where_data_is_missing(tmp_path, capsys):
    (tmp_path / "MNIST").touch()
    arguments = ["reproduce", "diabetes_mlp", "mnist_cnn", "graph", "--data", str(tmp_path)]
    assert main([*arguments, "--json", str(tmp_path / "table.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["verdict", "skipped", "skipped", "agrees"]
    table = json.loads((tmp_path / "table.json").read_text())
    assert [row["system"] for row in table] == ["diabetes_mlp", "mnist_cnn", "graph"]
    assert "diabetes.csv.gz" in table[0]["reason"]


def test_reproduce_goes_on_after_a_failure(tmp_path, capsys):
    (tmp_path / "diabetes.csv.gz").write_bytes(b"no archive")
    assert main(["reproduce", "diabetes_mlp", "graph", "--data", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["verdict", "failed", "agrees"]
    assert "must be a whole gzip archive" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing"], "the data root must be a folder, got missing"),
        (["--device", "gpu"], "device must be 'auto'"),
        (["--json", "."], "Is a directory"),
    ],
)
def test_reproduce_refuses_bad_options_before_it_trains(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "graph", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "agrees" not in captured.out


def test_reproduce_does_not_train_on_other_data_than_the_courses():
    (row,) = reproduce(["names_gru"], device="cpu")  # the test has no data root
    assert (row.verdict, row.measured) == ("skipped", {})
    assert row.reason == "the course's figures are for course names, got mini names"


def test_reproduce_reads_each_data_set_once(monkeypatch):
    recipe, reads = type(get_recipe("hello_rnn")), []
    read = recipe.read
    monkeypatch.setattr(recipe, "read", lambda *args, **kwargs: reads.append(1) or read(*args, **kwargs))
    (row,) = reproduce(["hello_rnn"], device="cpu")
    assert (row.verdict, len(reads)) == ("agrees", 1)


def test_reproduce_refuses_an_unknown_name(capsys):
    assert main(["reproduce", "mnist_cn"]) == 2
    assert "name must be one of graph, linear_regression_by_hand" in capsys.readouterr().err


def test_every_course_system_has_something_to_compare():
    for name in list_recipes():
        recipe = get_recipe(name)
        if "course" in recipe.settings:
            assert recipe.expected, name


@pytest.mark.slow
@pytest.mark.realdata("course/diabetes.csv.gz")
def test_everything_quick_agrees_with_the_course(data_root):
    rows = list(reproduce(quick=True, data=DataOptions(root=data_root), device="cpu"))
    assert len(rows) == 8
    assert {row.system: row.verdict for row in rows if row.verdict != "agrees"} == {}


def test_the_best_epoch_is_kept_also_between_reports(tmp_path, monkeypatch):
    recipe = type(get_recipe("diabetes_mlp"))
    setting = dataclasses.replace(recipe.settings["tuned"], epochs=7, held_out=0.2, report_every=5)
    monkeypatch.setattr(recipe, "settings", {"tuned": setting})
    result = train("diabetes_mlp", tmp_path, data=DataOptions(dataset="synthetic"))
    assert load_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == result.measured["best_epoch"]
