"""The commands card, verify and pack, and list --weights."""

import json
import shutil
from importlib.resources import as_file

import pytest
import torchvision

from practicezoo import list_weights, load
from practicezoo.cli import main
from practicezoo.recipes import packing
from practicezoo.recipes.packing import pack, remeasure
from practicezoo.recipes.registry import get_recipe
from practicezoo.weights.reading import read_config
from practicezoo.weights.records import asset_folder
from support.commands import error_line


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


def test_verify_says_what_it_could_not_measure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fail_to_download)
    names = ["names_gru/mini-names-2026.11", "mnist_mlp"]
    assert main(["verify", *names, "--data", str(tmp_path)]) == 0
    held, missed, count = capsys.readouterr().out.splitlines()
    assert held.startswith("names_gru/mini-names-2026.11: holds: the hash is right; ")
    assert missed.startswith("mnist_mlp/mnist-2026.11: not measured: the hash is right, but ")
    assert "must hold t" in missed
    assert len(missed) < 300
    assert count == "1 of 2 measured; --data DIR says where the others' test data is"


def fail_to_download(_dataset):
    raise RuntimeError("no network")


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
        "python -m practicezoo train names_gru --setting tuned --dataset 'mini names' --seed 0 --device cpu "
        "--epochs 1"
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
    assert f"seed must be another for each run, got 0 of {checkpoint.parent} again" in error_line(capsys)
    (other / "result.json").write_text(json.dumps({**result, "setting": "course"}))
    assert main([*arguments, str(tmp_path / "out"), "--others", str(other)]) == 2
    assert f"setting of {other} must be 'tuned', got 'course'" in error_line(capsys)


def test_the_spread_of_weights_that_come_along_can_be_told_later(checkpoint, tmp_path, capsys):
    (weights,) = list_weights("names_gru/mini-*")
    record = read_config(asset_folder(weights))
    other = tmp_path / "other"
    shutil.copytree(checkpoint.parent, other)
    figures = json.loads((other / "result.json").read_text())
    figures |= {name: record["training"][name] for name in ("setting", "epochs")}
    figures |= {"data": weights.data["name"], "seed": 7, "test_accuracy": 0.5}
    (other / "result.json").write_text(json.dumps(figures))
    arguments = ["pack", str(weights), "--out", str(tmp_path / "out"), "--others", str(other)]
    assert main(arguments) == 0
    seeds = read_config(tmp_path / "out")["seeds"]
    assert seeds["test_accuracy"] == {**record["seeds"]["test_accuracy"], "7": 0.5}
    assert "with the seeds 0, 1, 2, 7: accuracy" in (tmp_path / "out" / "card.md").read_text()
    capsys.readouterr()
    (other / "result.json").write_text(json.dumps({**figures, "calibration_fraction": 0.1}))
    assert main(arguments) == 2
    assert f"calibration_fraction of {other} must be None, got 0.1" in error_line(capsys)


def test_weights_that_began_from_others_are_spread_over_runs_that_did(checkpoint, tmp_path, monkeypatch):
    (weights,) = list_weights("names_gru/mini-*")
    runs = [tmp_path / str(seed) for seed in range(2)]
    for seed, run in enumerate(runs):
        shutil.copytree(checkpoint.parent, run)
        figures = json.loads((run / "result.json").read_text())
        figures |= {"init": "names_gru/names-2026.11 (5d1c)", "seed": seed}
        (run / "result.json").write_text(json.dumps(figures))
    pack(get_recipe("names_gru"), runs[0], tmp_path / "out", tag="a")
    record = read_config(tmp_path / "out")
    monkeypatch.setattr(packing, "read_config", lambda _: record)
    remeasure(weights, tmp_path / "again", others=runs[1:])
    assert list(read_config(tmp_path / "again")["seeds"]["test_accuracy"]) == ["0", "1"]
    with pytest.raises(ValueError, match=r"init of .* must be 'names_gru/names-2026.11 \(5d1c\)', got None"):
        remeasure(weights, tmp_path / "again", others=[checkpoint.parent])


def test_only_the_data_of_a_run_measures_it(checkpoint, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(checkpoint.parent, run)
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "data_digest": "another"}))
    assert main(["pack", "names_gru", "--run", str(run), "--tag", "a", "--out", str(tmp_path / "out")]) == 2
    assert f"data must be what {run} was trained on (mini names), got another" in error_line(capsys)
    assert not (tmp_path / "out").exists()
