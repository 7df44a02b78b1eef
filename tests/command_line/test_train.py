"""The command train: what it prints, what it keeps, what it refuses."""

import json

import pytest

from practicezoo.cli import main
from practicezoo.recipes.systems.names_gru import NamesGRU
from practicezoo.training import load_checkpoint
from support.commands import error_line, write_table
from support.names import small_settings


def test_train_prints_a_line_for_each_epoch_and_the_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(NamesGRU, "settings", small_settings())
    assert main(["train", "names_gru", "--epochs", "2", "--device", "cpu", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1].startswith("wrote ")
    for name in ("history.csv", "curve.png", "checkpoint.pt", "result.json"):
        assert str(tmp_path / name) in lines[-1]


def test_no_run_overwrites_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", "linear_regression", "--epochs", "1", "--device", "cpu"]) == 0
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == ["linear_regression", "linear_regression-2"]


GREEK = [
    ("Παππάς", "el"),
    ("Δήμου", "el"),
    ("Ρήγας", "el"),
    ("Иванов", "ru"),
    ("Петров", "ru"),
    ("Орлов", "ru"),
]


def test_tables_of_any_header_order_and_script(tmp_path, capsys):
    rows = [(str(number), label, name) for number, (name, label) in enumerate(GREEK * 4)]
    table = write_table(tmp_path / "namen.csv", "nr,Land,Nachname", rows)
    data = ["--train-csv", table, "--test-csv", table, "--name-column", "Nachname", "--label-column", "1"]
    out = tmp_path / "run"
    assert main(["train", "names_gru", *data, "--epochs", "1", "--device", "cpu", "--out", str(out)]) == 0
    assert "\nclasses: 2 (el, ru)\n" in capsys.readouterr().out
    checkpoint = ["--checkpoint", str(out / "checkpoint.pt")]
    saved = load_checkpoint(out / "checkpoint.pt")["saved"]
    assert saved["unknown"]
    assert {"ά", "ή", "в"} <= set(saved["characters"])
    assert main(["predict", "names_gru", *checkpoint, "Παππάς", "金"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "names_gru", *checkpoint, *data]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"data: {table}"
    other = write_table(tmp_path / "ascii.csv", "", [("Abe", "el"), ("Orlov", "ru")])
    assert main(["evaluate", "names_gru", *checkpoint, "--train-csv", other, "--test-csv", other]) == 2
    assert "the data's characters must be the checkpoint's, got others" in error_line(capsys)


def test_no_header_makes_the_first_row_a_sample(tmp_path, capsys):
    rows = [
        ("Name", "X"),
        *[(name + end, label) for label in "XY" for name in ("Ab", "Po") for end in "aeiouy"],
    ]
    table = write_table(tmp_path / "names.csv", "", rows)
    arguments = ["train", "names_gru", "--train-csv", table, "--test-csv", table, "--epochs", "1"]
    assert main([*arguments, "--out", str(tmp_path / "refused")]) == 2
    assert "may be a header or a sample" in error_line(capsys)
    assert main([*arguments, "--no-header", "--out", str(tmp_path / "run")]) == 0
    assert "25 to test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["names_gur"], "got 'names_gur'; near: names_gru"),
        (["names_gru", "--epochs", "0"], "epochs must be at least 1, got 0"),
        (["names_gru", "--device", "cude:0"], "got 'cude:0'; meant 'cuda:0'?"),
        (["names_gru", "--seed", "-1"], "seed must lie between 0 and 2**32 - 1, got -1"),
        (["names_gru", "--data", "missing"], "the data root must be a folder, got missing"),
        (["names_gru", "--train-csv", "a.csv"], "--test-csv) must be given together"),
        (["names_gru", "--train-csv", "a.csv", "--test-csv", "b.csv"], "No such file or directory: 'a.csv'"),
    ],
)
def test_train_answers_bad_input_with_one_line_and_leaves_nothing(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    assert message in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_an_out_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["train", "names_gru", "--out", str(tmp_path / "file" / "run")]) == 2
    assert error_line(capsys).endswith(f"folder must be a folder's path, got the file {tmp_path / 'file'}")


def test_a_folder_that_holds_a_run_is_not_written_over(checkpoint, capsys):
    before = checkpoint.read_bytes()
    assert main(["train", "names_gru", "--out", str(checkpoint.parent)]) == 2
    assert "must not hold a run already" in error_line(capsys)
    assert checkpoint.read_bytes() == before


def test_too_few_names_to_keep_some_for_validation(tmp_path, capsys):
    path = tmp_path / "names.csv"
    path.write_text("".join(f"{name},{label}\n" for label in "XYZ" for name in ("Abe", "Kim", "Poe", "Li")))
    out = tmp_path / "run"
    assert (
        main(["train", "names_gru", "--train-csv", str(path), "--test-csv", str(path), "--out", str(out)])
        == 2
    )
    assert "must have enough samples of each class to keep some for validation, got 12 of 3" in error_line(
        capsys
    )
    assert not out.exists()


def test_a_result_without_unseen_names_is_valid_json(tmp_path, capsys):
    path = tmp_path / "names.csv"
    names = [name + end for name in ("Ab", "Kim", "Po", "Li", "Ro") for end in ("e", "a", "o")]
    path.write_text("".join(f"{name},{label}\n" for label in "XY" for name in names))
    out = tmp_path / "run"
    csv_options = ["--train-csv", str(path), "--test-csv", str(path)]
    assert main(["train", "names_gru", *csv_options, "--epochs", "1", "--out", str(out)]) == 0
    assert json.loads((out / "result.json").read_text())["test_accuracy_unseen"] is None


def test_training_starts_from_trained_weights(tmp_path, capsys):
    arguments = ["train", "names_gru", "--epochs", "1", "--device", "cpu", "--init", "mini-names-2026.11"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test_accuracy"] > 0.5  # from a random start an epoch gives a quarter
    assert result["init"].startswith("mini-names-2026.11 (")
    assert main([*arguments[:-2], "--out", str(tmp_path / "run"), "--resume"]) == 2
    assert "init must be 'mini-names-2026.11 (" in error_line(capsys)


def test_training_starts_from_a_checkpoint_and_says_that_the_head_is_fresh(checkpoint, tmp_path, caplog):
    rows = [
        ("Ab", "X"),
        ("Po", "Y"),
        *[(name + end, label) for label in "XY" for name in ("Ab", "Po", "Ki") for end in "aeiou"],
    ]
    table = write_table(tmp_path / "names.csv", "name,label", rows)
    arguments = ["train", "names_gru", "--train-csv", table, "--test-csv", table, "--epochs", "1"]
    assert main([*arguments, "--init", str(checkpoint), "--out", str(tmp_path / "run")]) == 0
    assert "head has other classes and starts afresh: train it" in caplog.text
