"""The commands predict and evaluate."""

import io
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from practicezoo.cli import main
from practicezoo.training import load_checkpoint, save_checkpoint
from support.commands import error_line


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
