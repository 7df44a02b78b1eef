"""The command export: trained networks as files for other programs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from practicezoo import load
from practicezoo.cli import main
from support.commands import error_line
from support.exporting import needs_onnx

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "export" / "name_country.py"

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("name", ["names_gru", "mnist_mlp", "diabetes_mlp"])
def test_a_program_has_the_trained_weights_and_its_metadata(tmp_path, capsys, name):
    path = tmp_path / "model.pt2"
    assert main(["export", name, "--format", "program", "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"wrote {path}\n"
    files = {"metadata.json": ""}
    program = torch.export.load(path, extra_files=files)
    predictor = load(name)
    metadata = {key: json.loads(value) for key, value in json.loads(files["metadata.json"]).items()}
    assert metadata["classes"] == list(predictor.classes)
    assert metadata["preprocessing"]["kind"] == predictor.preprocess.kind
    samples = {"names_gru": ["Yamamoto", "Ng"], "diabetes_mlp": [[0.0] * 8] * 2}
    inputs = predictor.preprocess(samples.get(name, torch.zeros(2, 28, 28)))
    arguments = tuple(inputs) if name == "names_gru" else (inputs,)
    assert_close(program.module()(*arguments), predictor.model(inputs), rtol=0, atol=1e-5)


@needs_onnx
def test_the_example_names_countries_as_predict_does(tmp_path):
    path = tmp_path / "names.onnx"
    assert main(["export", "names_gru", "--out", str(path)]) == 0
    ran = subprocess.run(
        [sys.executable, EXAMPLE, path, "Yamamoto", "Álvarez"], capture_output=True, text=True, check=True
    )
    answers = load("names_gru")(["Yamamoto", "Álvarez"], top=1)
    expected = [
        f"{name}: {answer.label} {answer.probability:.1%}"
        for name, answer in zip(["Yamamoto", "Álvarez"], answers, strict=True)
    ]
    assert [line.split(",")[0] for line in ran.stdout.splitlines()] == expected


def test_a_folder_that_is_not_there_and_a_folder_as_the_file_are_one_line(tmp_path, capsys):
    for form in ("onnx", "program"):
        assert main(["export", "names_gru", "--format", form, "--out", str(tmp_path)]) == 2
        assert "path must be a file" in error_line(capsys)
        assert main(["export", "names_gru", "--format", form, "--out", str(tmp_path / "no" / "x")]) == 2
        assert str(tmp_path / "no") in error_line(capsys)


def test_a_missing_extra_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "names_gru", "--out", str(tmp_path / "names.onnx")]) == 2
    assert error_line(capsys) == 'practicezoo: export_onnx needs onnx: pip install "practicezoo[onnx]"'


def test_an_unknown_name_and_a_missing_checkpoint_are_refused(tmp_path, capsys):
    assert main(["export", "names_gr", "--out", str(tmp_path / "x")]) == 2
    assert "names_gru" in error_line(capsys)
    arguments = ["--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / "x")]
    assert main(["export", "names_gru", *arguments]) == 2
    assert "checkpoint must be a file that train wrote" in error_line(capsys)
