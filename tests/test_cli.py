"""The command line: what it prints, what it returns, what it keeps."""

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import as_file

import pytest
from PIL import Image
from torch.optim import SGD

from practicezoo import list_weights, load
from practicezoo.cli import main
from practicezoo.recipes.systems.names_gru import NamesGRU
from practicezoo.training import load_checkpoint, save_checkpoint
from practicezoo.weights.records import asset_folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "names_gru", "--epochs", "1", "--device", "cpu", "--out", str(folder)]) == 0
    return folder / "checkpoint.pt"


def error_line(capsys) -> str:
    """The one line that bad input is answered with."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_check_lists_and_explains_its_codes(capsys):
    assert main(["check", "--list"]) == 0
    assert "samples-mixed " in capsys.readouterr().out
    assert main(["check", "--explain", "samples-mixed"]) == 0
    assert "batch_first=True" in capsys.readouterr().out
    assert main(["check", "--explain", "sample-mixed"]) == 2
    assert error_line(capsys) == "practicezoo: code must be one that `check --list` shows, got 'sample-mixed'"


@pytest.mark.parametrize("arguments", [[], ["names_gru", "--list"], ["--list", "--explain", "no-batch"]])
def test_check_does_one_thing(arguments, capsys):
    assert main(["check", *arguments]) == 2
    assert error_line(capsys) == "practicezoo: check must get either NAME, --explain CODE or --list"


def test_list_and_info_name_the_recipe(capsys):
    assert main(["list"]) == 0
    assert "names_gru" in capsys.readouterr().out
    assert main(["info", "names_gru"]) == 0
    shown = capsys.readouterr().out
    assert "85.2 %" in shown
    assert "setting tuned" in shown


def test_check_says_that_all_is_well(capsys):
    assert main(["check", "names_gru", "--setting", "course", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "no findings\n"


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


def test_train_prints_a_line_for_each_epoch_and_the_files(tmp_path, capsys):
    assert main(["train", "names_gru", "--epochs", "2", "--device", "cpu", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1].startswith("wrote ")
    for name in ("history.csv", "curve.png", "checkpoint.pt", "result.json"):
        assert str(tmp_path / name) in lines[-1]


def test_no_run_overwrites_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", "names_gru", "--epochs", "1", "--device", "cpu"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["names_gru", "names_gru-2"]


def test_predict_prints_three_countries_for_each_name(checkpoint, capsys):
    assert main(["predict", "names_gru", "--checkpoint", str(checkpoint), "Álvarez", "Yamamoto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Álvarez", "Yamamoto"]
    assert all(line.count("%") == 3 for line in lines)


def test_evaluate_prints_what_train_reported(checkpoint, capsys):
    assert main(["evaluate", "names_gru", "--checkpoint", str(checkpoint)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    reported = json.loads((checkpoint.parent / "result.json").read_text())
    assert first == "data: mini names"
    assert lines == [f"{name}: {value:.4f}" for name, value in reported.items() if name.startswith("test_")]


def test_evaluate_refuses_other_classes(checkpoint, tmp_path, capsys):
    path = tmp_path / "names.csv"
    path.write_text("Abe,Japanese\nPoe,Atlantis\n")
    arguments = ["evaluate", "names_gru", "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--train-csv", str(path), "--test-csv", str(path)]) == 2
    assert (
        "the data's classes must be the checkpoint's 18 (Arabic, Chinese, Czech, Dutch, English, ...), got 2"
        in error_line(capsys)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name must not be empty, got ''"),
        ("  ", "name must not be empty"),
        ("a\0b", "name must not hold control characters, got '\\x00' at position 1"),
        ("Иванов", "got 'И' (U+0418) at position 0 of 'Иванов'"),
        ("x" * 100_000, "name must have at most 1000 characters, got 100000"),
    ],
)
def test_a_bad_name_does_not_refuse_the_good_ones(checkpoint, capsys, name, message):
    assert main(["predict", "names_gru", "--checkpoint", str(checkpoint), "Abe", name, "Nowak"]) == 1
    good, bad, other = capsys.readouterr().out.splitlines()
    assert good.count("%") == other.count("%") == 3
    assert f"  no prediction: {message}" in bad or message in bad
    assert len(bad) < 400


@pytest.mark.parametrize("stdin", [False, True])
def test_samples_come_from_a_file_or_standard_input(stdin, checkpoint, tmp_path, capsys, monkeypatch):
    lines = "Álvarez\n\nYamamoto\r\n".encode()
    (tmp_path / "names.txt").write_bytes(lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    file = "-" if stdin else str(tmp_path / "names.txt")
    assert main(["predict", "names_gru", "--checkpoint", str(checkpoint), "--file", file]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Álvarez", "Yamamoto"]


def test_no_sample_and_samples_that_are_no_text(checkpoint, tmp_path, capsys):
    arguments = ["predict", "names_gru", "--checkpoint", str(checkpoint)]
    assert main(arguments) == 2
    assert "samples must be given, by themselves or with --file, got none" in error_line(capsys)
    (tmp_path / "names.txt").write_bytes(b"\xff")
    assert main([*arguments, "--file", str(tmp_path / "names.txt")]) == 2
    assert "samples must be UTF-8 text, got a wrong byte at 0" in error_line(capsys)


GREEK = [
    ("Παππάς", "el"),
    ("Δήμου", "el"),
    ("Ρήγας", "el"),
    ("Иванов", "ru"),
    ("Петров", "ru"),
    ("Орлов", "ru"),
]


def write_table(path, header, rows):
    lines = [header, *(",".join(row) for row in rows)]
    path.write_text("\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    return str(path)


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


def test_columns_without_tables_of_ones_own(capsys):
    assert main(["check", "names_gru", "--name-column", "1", "--label-column", "0"]) == 2
    assert "train_csv and test_csv must be given where columns are named" in error_line(capsys)


def test_neither_home_nor_user(monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PRACTICEZOO_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert main(["check", "names_gru", "--device", "cpu"]) == 0
    assert main(["check", "mnist_mlp", "--device", "cpu"]) == 2
    assert "the data root must be named (--data or PRACTICEZOO_DATA)" in error_line(capsys)


@pytest.mark.parametrize("where", ["practicezoo.cli", "argparse"])
def test_ctrl_c_before_a_command_runs(where):
    program = f"""
import runpy, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {where!r}:
            raise KeyboardInterrupt
sys.modules.pop({where!r}, None)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["practicezoo", "list"]
runpy.run_module("practicezoo", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "\npracticezoo: interrupted\n")


def test_ctrl_c_while_arguments_are_read(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("practicezoo.cli.make_parser", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "\npracticezoo: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["names_gur"], "got 'names_gur'; near: names_gru"),
        (["names_gru", "--epochs", "0"], "epochs must be at least 1, got 0"),
        (["names_gru", "--device", "cude:0"], "got 'cude:0'; meant 'cuda:0'?"),
        (["names_gru", "--seed", "-1"], "seed must lie between 0 and 2**32 - 1, got -1"),
        (["names_gru", "--data", "missing"], "the data root must be a folder, got missing"),
        (["names_gru", "--train-csv", "a.csv"], "train_csv and test_csv must be given together"),
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


@pytest.mark.parametrize("content", ["empty", "text", "truncated", "foreign"])
def test_a_damaged_or_foreign_checkpoint(content, checkpoint, tmp_path, capsys):
    path = tmp_path / "bad.pt"
    if content == "foreign":
        save_checkpoint(path, {"recipe": "another"})
    else:
        whole = checkpoint.read_bytes()
        path.write_bytes(
            {"empty": b"", "text": b"not a checkpoint", "truncated": whole[: len(whole) // 2]}[content]
        )
    assert main(["predict", "names_gru", "--checkpoint", str(path), "Abe"]) == 2
    expected = "must be a checkpoint of names_gru" if content == "foreign" else "is damaged or no checkpoint"
    assert expected in error_line(capsys)


@pytest.mark.parametrize("spoil", ["config", "model", "classes"])
def test_a_checkpoint_that_lacks_a_part(spoil, checkpoint, tmp_path, capsys):
    state = load_checkpoint(checkpoint)
    if spoil == "classes":
        state["predictor"]["classes"].pop()
    elif spoil == "model":
        del state["model"]["head.weight"]
    else:
        state["predictor"]["config"]["hidden_size"] = 7
    save_checkpoint(tmp_path / "bad.pt", state)
    assert main(["predict", "names_gru", "--checkpoint", str(tmp_path / "bad.pt"), "Abe"]) == 2
    expected = {
        "classes": "classes must be as many as the network's 18 outputs, got 17",
        "model": "bad.pt must fit the network, but has no tensor head.weight",
        "config": "bad.pt must fit the network, but encoder.rnn.weight_ih_l0 has the shape (300, 100) there",
    }[spoil]
    assert expected in error_line(capsys)


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


def test_a_terminal_without_the_letters_shows_their_codes(checkpoint):
    command = [
        sys.executable,
        "-m",
        "practicezoo",
        "predict",
        "names_gru",
        "--checkpoint",
        str(checkpoint),
        "Álvarez",
    ]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(r"\xc1lvarez  ")


@pytest.mark.parametrize("top", ["0", "-1"])
def test_top_below_one(top, checkpoint, capsys):
    assert main(["predict", "names_gru", "--checkpoint", str(checkpoint), "--top", top, "Abe"]) == 2
    assert f"top must be at least 1, got {top}" in error_line(capsys)


def test_unknown_commands_exit_with_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["fly"])
    assert "invalid choice: 'fly'" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_says_how_to_resume_and_exits_with_130(tmp_path):
    command = [
        sys.executable,
        "-m",
        "practicezoo",
        "train",
        "names_gru",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--epochs", "1000"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch    2/1000"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f"to resume, give the same command with --out {tmp_path} --resume" in errors
    assert "Traceback" not in errors
    assert len((tmp_path / "history.csv").read_text().splitlines()) >= 3
    assert main(["predict", "names_gru", "--checkpoint", str(tmp_path / "best.pt"), "Abe"]) == 0


def test_predict_needs_no_checkpoint(capsys):
    assert main(["predict", "names_gru", "Álvarez", "Yamamoto"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Álvarez   Spanish ")
    assert second.startswith("Yamamoto  Japanese ")
    assert main(["predict", "names_gru/mini-names-2026.11", "Yamamoto", "--top", "1"]) == 0
    assert "Japanese" in capsys.readouterr().out


def test_predict_prints_json(capsys):
    assert main(["predict", "names_gru", "--json", "Yamamoto", "Иванов"]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["sample"], good["label"], len(good["ranking"])) == ("Yamamoto", "Japanese", 3)
    assert bad["error"].startswith("text must consist of the vocabulary's characters, got 'И'")


def test_predict_tells_what_it_did_to_a_picture(tmp_path, capsys):
    paper = Image.new("L", (56, 56), 255)
    paper.paste(0, (26, 10, 30, 46))
    paper.save(tmp_path / "one.png")
    assert main(["predict", "mnist_fast", str(tmp_path / "one.png"), "--top", "1"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{tmp_path / 'one.png'}  1 ")
    assert line.endswith("(inverted, resized from 56x56)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["predict", "names_gur", "Abe"],
            "model must be one with trained weights, got 'names_gur'; near: names_g",
        ),
        (["predict", "linear_regression", "4"], "linear_regression has no trained weights: its line is one"),
        (["card", "names_gru/1998"], "weights of names_gru must be 'default' or a tag, got '1998'"),
        (["verify", "names_gur"], "got 'names_gur'; near: names_gru"),
        (["card", "./mine"], "weights must be named as `list --weights` shows them, got the path './mine'"),
        (
            ["predict", "names_gru", "--file", "absent.txt"],
            "--file must be a file of samples, got absent",
        ),
        (
            ["train", "mnist_cnn", "--init", "names-2026.11"],
            "weights of mnist_cnn must be 'default' or a tag",
        ),
        (
            ["train", "names_gru", "--init", "1998"],
            "weights of names_gru must be 'default' or a tag, got '1998'",
        ),
        (
            ["train", "names_gru", "--init", "./absent.pt"],
            "source must be a folder that save wrote or a run's",
        ),
    ],
)
def test_weights_that_are_not_there(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_list_and_card_and_verify_show_the_weights(capsys):
    assert main(["list", "--weights"]) == 0
    listed = capsys.readouterr().out
    assert "\nnames_gru/mini-names-2026.11 " in listed
    assert "of 6,700 test samples, 318,818 parameters" in listed
    assert main(["card", "names_gru/mini-names-2026.11"]) == 0
    assert capsys.readouterr().out.startswith("# names_gru/mini-names-2026.11\n")
    assert main(["verify", "names_gru/mini-names-2026.11"]) == 0
    assert ": holds: the hash is right; " in capsys.readouterr().out


def test_verify_names_a_file_that_was_changed(tmp_path, monkeypatch, capsys):
    (weights,) = list_weights("names_gru/mini-*")
    with as_file(asset_folder(weights)) as folder:
        shutil.copytree(folder, tmp_path / "copy")
    content = bytearray((tmp_path / "copy" / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "copy" / "model.safetensors").write_bytes(content)
    monkeypatch.setattr("practicezoo.predictors.loading.asset_folder", lambda _: tmp_path / "copy")
    assert main(["verify", str(weights)]) == 1
    assert f"{weights}: DIFFERS: " in capsys.readouterr().out


def test_a_run_is_packed_with_record_and_card(checkpoint, tmp_path, capsys):
    run = ["--run", str(checkpoint.parent), "--tag", "mine-1", "--out", str(tmp_path / "packed")]
    assert main(["pack", "names_gru", *run]) == 0
    reported = json.loads((checkpoint.parent / "result.json").read_text())
    record = json.loads((tmp_path / "packed" / "config.json").read_text())
    assert record["metrics"]["test_accuracy"] == pytest.approx(reported["test_accuracy"], abs=0.01)
    assert record["command"] == (
        "python -m practicezoo train names_gru --setting tuned --dataset 'mini names' --seed 0 --device cpu"
    )
    assert len(load(tmp_path / "packed")("Abe").ranking) == 3
    assert main(["pack", "names_gru", "--run", str(tmp_path / "packed"), *run[2:]]) == 2
    assert "run must be the folder of a finished run, got" in capsys.readouterr().err


def test_a_card_tells_the_spread_over_seeds(checkpoint, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(checkpoint.parent, other)
    result = json.loads((other / "result.json").read_text())
    (other / "result.json").write_text(json.dumps({**result, "seed": 7, "test_accuracy": 0.5}))
    arguments = ["pack", "names_gru", "--run", str(checkpoint.parent), "--tag", "a", "--out"]
    assert main([*arguments, str(tmp_path / "out"), "--others", str(other)]) == 0
    mean = (result["test_accuracy"] + 0.5) / 2
    card = (tmp_path / "out" / "card.md").read_text()
    assert f"The command with the seeds 0, 7: accuracy {mean:.2%} on average, standard deviation" in card
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "out"), "--others", str(checkpoint.parent)]) == 2
    assert "seed must be another for each run, got [0, 0]" in error_line(capsys)
    (other / "result.json").write_text(json.dumps({**result, "setting": "course"}))
    assert main([*arguments, str(tmp_path / "out"), "--others", str(other)]) == 2
    assert "setting of the other runs must be 'tuned', got 'course'" in error_line(capsys)


def test_only_the_data_of_a_run_measures_it(checkpoint, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(checkpoint.parent, run)
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "data_digest": "another"}))
    assert main(["pack", "names_gru", "--run", str(run), "--tag", "a", "--out", str(tmp_path / "out")]) == 2
    assert f"data must be what {run} was trained on (mini names), got another" in error_line(capsys)
    assert not (tmp_path / "out").exists()


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
