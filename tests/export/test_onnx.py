"""ONNX files compute what their models do, and tell of themselves."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import practicezoo
from practicezoo import CNN, CharGRUClassifier, CharVocab, export_onnx
from support.catalog import ENTRIES
from support.contracts import over, ready
from support.exporting import QUICK, RECURRENT, batch, check_agrees, described, needs_onnx, run_onnx, texts
from support.slow import slow_unless

# torch's own, in its exporters
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@needs_onnx
@over(ENTRIES, quick={"mnist_resnet", "names_gru", "hello_rnn_cell"})
def test_an_onnx_file_agrees_with_its_model_for_every_batch_size(entry, tmp_path):
    module = ready(entry)
    path = tmp_path / "model.onnx"
    export_onnx(module, path, example=batch(entry, 3))
    check_agrees(module, run_onnx(path), [batch(entry, size) for size in (1, 2, 5)])


@needs_onnx
@pytest.mark.parametrize("model", slow_unless(RECURRENT, QUICK), ids=described)
def test_an_onnx_file_takes_texts_of_every_shape(model, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(model.eval(), path)
    check_agrees(model, run_onnx(path), texts(20))


@needs_onnx
def test_an_onnx_file_names_its_sizes_and_carries_its_metadata_and_no_path_of_this_machine(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    export_onnx(CharGRUClassifier(20, 6), path, metadata={"classes": json.dumps(["Czech", "ö"])})
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"inputs": ["N", "T"], "lengths": ["N"], "outputs": ["N", 6]}
    assert {each.key: each.value for each in model.metadata_props} == {"classes": '["Czech", "\\u00f6"]'}
    assert b"site-packages" not in path.read_bytes()
    assert str(practicezoo.__file__).removesuffix("__init__.py").encode() not in path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


@needs_onnx
def test_an_onnx_file_is_run_with_numpy_alone(tmp_path):
    import onnxruntime

    model = CNN().eval()
    export_onnx(model, tmp_path / "cnn.onnx")
    images = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    (logits,) = onnxruntime.InferenceSession(tmp_path / "cnn.onnx").run(["outputs"], {"images": images})
    assert_close(torch.from_numpy(logits), model(torch.from_numpy(images)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["", "missing/model.onnx"])
def test_a_path_that_cannot_be_written_is_refused_first(tmp_path, name):
    with pytest.raises(ValueError, match="path must be a file in a folder that exists, got '/"):
        export_onnx(CNN(), tmp_path / name)


@needs_onnx
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ValueError, match="path must be in a folder that can be written, got '/"):
        export_onnx(CNN(), tmp_path / "model.onnx")


@pytest.mark.parametrize("metadata", [{"classes": ["a"]}, {1: "a"}])
def test_metadata_that_are_no_texts_are_refused(tmp_path, metadata):
    with pytest.raises(TypeError, match=r"metadata must be texts by name, got .* for ('classes'|1)"):
        export_onnx(CNN(), tmp_path / "model.onnx", metadata=metadata)


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        ModuleNotFoundError, match=r'export_onnx needs onnx: pip install "practicezoo\[onnx\]"'
    ):
        export_onnx(CNN(), tmp_path / "model.onnx")


SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "export" / "name_country.py"


@needs_onnx
def test_the_example_names_countries_with_onnxruntime_and_numpy_alone(tmp_path):
    vocab, classes = CharVocab(), [f"country {place}" for place in range(5)]
    model = CharGRUClassifier(len(vocab), 5, hidden_size=8).eval()
    path = tmp_path / "names.onnx"
    preprocessing = {"kind": "text", "characters": vocab.characters}
    metadata = {"classes": json.dumps(classes), "preprocessing": json.dumps(preprocessing)}
    export_onnx(model, path, metadata=metadata)
    names = ["Yamamoto", " Ng", "Álvarez"]
    program = f"""
import runpy, sys
sys.argv = {["name_country.py", str(path), *names]!r}
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
assert not {{"torch", "practicezoo"}} & sys.modules.keys()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    batch, _ = practicezoo.pad_collate([(vocab.encode(name.strip()), 0) for name in names])
    best = model(batch).softmax(dim=1).topk(3)
    expected = [
        f"{name}: " + ", ".join(f"{classes[place]} {value:.1%}" for value, place in zip(*row, strict=True))
        for name, *row in zip(names, best.values.tolist(), best.indices.tolist(), strict=True)
    ]
    assert ran.stdout.splitlines() == expected


@pytest.fixture(scope="module")
def of_two_letters(tmp_path_factory):
    """A network that knows N and g."""
    path = tmp_path_factory.mktemp("letters") / "names.onnx"
    preprocessing = json.dumps({"characters": "Ng"})
    export_onnx(CharGRUClassifier(3, 5), path, metadata={"classes": "[]", "preprocessing": preprocessing})
    return path


@needs_onnx
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "onnxruntime and NumPy alone"),
        ([" "], "must not be empty"),
        (["Ng", "李"], "'李' has '李', which"),
    ],
)
def test_the_example_refuses_names_that_it_cannot_read(of_two_letters, names, message):
    ran = subprocess.run(
        [sys.executable, SCRIPT, of_two_letters, *names], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert message in ran.stderr
