"""The command check."""

import dataclasses

import pytest
from torch.optim import SGD

from practicezoo.cli import main
from practicezoo.recipes.systems.names_gru import NamesGRU
from support.commands import error_line


def test_check_lists_and_explains_its_codes(capsys):
    assert main(["check", "--list"]) == 0
    assert "samples-mixed " in capsys.readouterr().out
    assert main(["check", "--explain", "samples-mixed"]) == 0
    assert "batch_first=True" in capsys.readouterr().out
    assert main(["check", "--explain", "sample-mixed"]) == 2
    line = error_line(capsys)
    assert line.startswith(
        "practicezoo: code must be one that `check --list` shows, got 'sample-mixed'; near: "
    )
    assert "samples-mixed" in line


@pytest.mark.parametrize("arguments", [[], ["names_gru", "--list"], ["--list", "--explain", "no-batch"]])
def test_check_does_one_thing(arguments, capsys):
    assert main(["check", *arguments]) == 2
    assert error_line(capsys) == "practicezoo: check must get either NAME, --explain CODE or --list"


def test_check_says_that_all_is_well(capsys):
    assert main(["check", "names_gru", "--setting", "course", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "no findings\n"


def test_check_is_thorough_on_request(capsys, monkeypatch):
    given = {}
    monkeypatch.setattr(
        "practicezoo.command_line.recipes.check_recipe", lambda _, **named: given.update(named) or []
    )
    assert main(["check", "names_gru", "--thorough"]) == 0
    assert given["thorough"]


def test_check_prints_a_line_for_each_finding_and_exits_with_1(capsys, monkeypatch):
    lazy = dataclasses.replace(
        NamesGRU.settings["tuned"],
        optimizer=lambda p: SGD(p, lr=0),
        lr_scheduler=None,  # which would set the rate
        model_overrides={"num_classes": 12},
    )
    monkeypatch.setattr(NamesGRU, "settings", {"tuned": lazy})
    assert main(["check", "names_gru", "--device", "cpu", "--seed", "1"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("zero-learning-rate: SGD has a learning rate of 0. Fix: give it a positive one")
    assert second.startswith("too-few-outputs: the targets are class indices up to 17, the model has 12 outp")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["names_gur"], "got 'names_gur'; near: names_gru"),
        (
            ["names_gru", "--setting", "finest"],
            "setting must be one of course, tuned, best for names_gru, got 'finest'",
        ),
        (
            ["names_gru", "--dataset", "mnist"],
            "dataset must be one of course names, mini names for names_gru, got 'mnist'",
        ),
        (["names_gru", "--device", "cude:0"], "got 'cude:0'; meant 'cuda:0'?"),
        (["names_gru", "--seed", "-1"], "seed must lie between 0 and 2**32 - 1, got -1"),
    ],
)
def test_check_answers_bad_input_with_one_line(arguments, message, capsys):
    assert main(["check", *arguments]) == 2
    assert message in error_line(capsys)


def test_columns_without_tables_of_ones_own(capsys):
    assert main(["check", "names_gru", "--name-column", "1", "--label-column", "0"]) == 2
    assert (
        "train_csv and test_csv (--train-csv, --test-csv) must be given where columns are named"
        in error_line(capsys)
    )
