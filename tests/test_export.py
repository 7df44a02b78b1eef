"""Exported models compute what the models do: any batch, any lengths, in torch and in ONNX."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import practicezoo
from practicezoo import (
    CNN,
    CharGRUClassifier,
    CharTagger,
    CharVocab,
    PaddedSequence,
    SequenceEncoder,
    create_model,
    export_onnx,
    export_program,
    list_models,
)
from practicezoo.models import StepwiseTagger
from support.catalog import ENTRIES

WITHOUT_ONNX = importlib.util.find_spec("onnxruntime") is None

# torch's own, in its exporters
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def needs_onnx(test):
    skip = pytest.mark.skipif(WITHOUT_ONNX, reason='the extra is missing: pip install "practicezoo[onnx]"')
    return pytest.mark.onnx(skip(test))


def over(entries, *, fast=lambda entry: True):
    """Each entry as a test's argument; those that are not ``fast`` are marked slow."""
    return pytest.mark.parametrize(
        "entry",
        [pytest.param(each, id=each.name, marks=() if fast(each) else pytest.mark.slow) for each in entries],
    )


def run_onnx(path):
    """The file as a function of tensors; its outputs are a list."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # what fails on purpose is not logged too
    session = onnxruntime.InferenceSession(path)
    names = [argument.name for argument in session.get_inputs()]

    def run(*inputs):
        arrays = [each.numpy() for each in inputs]
        return [torch.from_numpy(each) for each in session.run(None, dict(zip(names, arrays, strict=True)))]

    return run


def leaves(outputs):
    if isinstance(outputs, tuple):
        return [leaf for part in outputs for leaf in leaves(part)]
    return [outputs]


def ready(entry):
    """A module in evaluation mode, after a training batch, so that its norms have seen data."""
    module = entry.build()
    module(*entry.example(8, torch.float32))
    return module.eval()


def batch(entry, num_samples):
    """What an entry's module takes: for a recurrent one sequences of 1, 2, 3, ... steps and padding."""
    inputs = entry.example(num_samples, torch.float32)
    if not entry.recurrent:
        return inputs
    (data,) = inputs
    data = torch.cat([data, data.flip(0)], dim=1)  # padding is not all zeros
    lengths = torch.arange(num_samples).remainder(data.shape[1]) + 1
    return (PaddedSequence(data, lengths.flip(0)),)


def spread(inputs):
    return [tensor for each in inputs for tensor in (each if isinstance(each, PaddedSequence) else (each,))]


def check_agrees(module, run, batches):
    """The exported module ``run`` gives what the module itself does: of sequences, by the packed path."""
    for inputs in batches:
        with torch.no_grad():
            expected = leaves(module(*inputs))
        assert_close(run(*spread(inputs)), expected, rtol=0, atol=1e-5)


@over(ENTRIES)
def test_a_program_agrees_with_its_model_for_every_batch_size(entry):
    module = ready(entry)
    program = export_program(module, example=batch(entry, 3))
    assert not module.training
    run = program.module()
    check_agrees(module, lambda *inputs: leaves(run(*inputs)), [batch(entry, size) for size in (1, 2, 5)])


@needs_onnx
@over(ENTRIES, fast=lambda entry: entry.registered)
def test_an_onnx_file_agrees_with_its_model_for_every_batch_size(entry, tmp_path):
    module = ready(entry)
    path = tmp_path / "model.onnx"
    export_onnx(module, path, example=batch(entry, 3))
    check_agrees(module, run_onnx(path), [batch(entry, size) for size in (1, 2, 5)])


@pytest.mark.parametrize("name", list_models())
def test_a_registered_model_has_its_own_example(name):
    model = create_model(name).eval()
    example = model.example_inputs()
    run = export_program(model).module()
    assert_close(run(*spread((example,))), model(example), rtol=0, atol=1e-6)
    assert len(example) == 2


SHAPES = [(1, 1), (1, 9), (9, 1), (2, 60), *((3 + n % 7, 2 + n % 23) for n in range(46))]


def texts(num_chars):
    """50 batches of random texts: one, one step, longer than at export, all lengths 1."""
    generator = torch.Generator().manual_seed(0)
    for place, (num_texts, num_steps) in enumerate(SHAPES):
        ids = torch.randint(num_chars, (num_texts, num_steps), generator=generator)
        lengths = torch.randint(1, num_steps + 1, (num_texts,), generator=generator)
        yield (PaddedSequence(ids, torch.ones_like(lengths) if place % 10 == 9 else lengths),)


RECURRENT = [
    *(
        CharGRUClassifier(20, 6, hidden_size=5, cell=cell, num_layers=layers, bidirectional=bidirectional)
        for cell in ("rnn", "gru", "lstm")
        for layers in (1, 3)
        for bidirectional in (False, True)
    ),
    *(
        CharTagger(20, 6, cell=cell, num_layers=2, bidirectional=True, embedding_dim=dim)
        for cell, dim in (("rnn", 4), ("gru", None), ("lstm", 4))
    ),
    *(StepwiseTagger(20, 6, cell=cell, head=nn.Linear) for cell in ("rnn", "gru", "lstm")),
]


def described(model):
    layer = model.rnn if isinstance(model, StepwiseTagger) else model.encoder.rnn
    layers = getattr(layer, "num_layers", 1)
    directions = 1 + getattr(layer, "bidirectional", False)
    return f"{type(model).__name__}-{type(layer).__name__}-{layers}-{directions}"


@pytest.mark.parametrize("model", RECURRENT, ids=described)
def test_a_program_takes_texts_of_every_shape(model):
    run = export_program(model.eval()).module()
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), texts(20))


@needs_onnx
@pytest.mark.parametrize(
    "model",
    [  # every cell, depth and kind of model in the default run
        pytest.param(model, id=described(model), marks=pytest.mark.slow if place in range(0, 12, 2) else ())
        for place, model in enumerate(RECURRENT)
    ],
)
def test_an_onnx_file_takes_texts_of_every_shape(model, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(model.eval(), path)
    check_agrees(model, run_onnx(path), texts(20))


def runners(model, path):
    program = export_program(model).module()
    yield lambda *inputs: leaves(program(*inputs))
    if not WITHOUT_ONNX:
        export_onnx(model, path)
        yield run_onnx(path)


@pytest.mark.parametrize("model", [RECURRENT[7], RECURRENT[12]], ids=described)
def test_padding_and_batch_mates_never_matter(model, tmp_path):
    ids = torch.tensor([[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]])
    other = torch.tensor([[3, 4, 5, 19, -7], [9, 9, 9, 10**9, 7]])  # not even ids that there are
    for run in runners(model.eval(), tmp_path / "model.onnx"):
        (first,) = run(ids, torch.tensor([3, 5]))
        (second,) = run(other, torch.tensor([3, 3]))
        (alone,) = run(ids[:1, :3], torch.tensor([3]))
        assert_close(first[0], second[0], rtol=0, atol=1e-6)
        assert_close(first[:1, ..., : alone.shape[-1]], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", [RECURRENT[7], RECURRENT[12], RECURRENT[13]], ids=described)
def test_wrong_lengths_and_ids_are_errors_of_the_exported_graph(model, tmp_path):
    ids = torch.tensor([[1, 2, 3], [1, 2, 3]])
    messages = (r"lengths must lie between 1 and 3|Invalid value/s in sequence_lens", "range|bounds")
    for run in runners(model.eval(), tmp_path / "model.onnx"):
        for length in (0, -1, 4, 2**31):
            with pytest.raises(Exception, match=messages[0]):
                run(ids, torch.tensor([length, 3]))
        for wrong in (-1, 20):
            with pytest.raises(Exception, match=messages[1]):
                run(ids.masked_fill(ids == 2, wrong), torch.tensor([3, 3]))


@pytest.mark.parametrize(
    "example",
    [
        torch.tensor([[1]]),
        (torch.tensor([[1]]),),
        (torch.tensor([[1]]), torch.tensor([1])),
        PaddedSequence(torch.tensor([[1]]), torch.tensor([1])),
    ],
    ids=["ids", "tuple", "lengths", "padded"],
)
def test_one_sequence_of_one_step_is_example_enough(example):
    model = CharGRUClassifier(20, 6, hidden_size=5).eval()
    run = export_program(model, example=example).module()
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), texts(20))


class OfPadded(nn.Module):
    """A user's own network of a PaddedSequence."""

    def __init__(self):
        super().__init__()
        self.encoder = SequenceEncoder(3, 4, bidirectional=True)
        self.head = nn.Linear(8, 2)

    def forward(self, batch):
        return self.head(self.encoder(batch).final_state)


def test_a_network_that_takes_a_padded_sequence_is_exported_with_its_lengths(tmp_path):
    model = OfPadded().eval()
    example = PaddedSequence(torch.randn(2, 5, 3), torch.tensor([5, 2]))
    run = export_program(model, example=example).module()
    batches = [(PaddedSequence(torch.randn(n, t, 3), torch.full((n,), t)),) for n, t in [(1, 1), (4, 9)]]
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), batches)
    if not WITHOUT_ONNX:
        export_onnx(model, tmp_path / "own.onnx", example=example)
        check_agrees(model, run_onnx(tmp_path / "own.onnx"), batches)


def test_a_model_stays_as_it_is():
    model = CharGRUClassifier(20, 6, hidden_size=5, dropout=0.5)
    model.head.eval()
    modes = [module.training for module in model.modules()]
    run = export_program(model).module()
    assert [module.training for module in model.modules()] == modes
    ids = torch.tensor([[1, 2]])
    assert_close(run(ids, torch.tensor([2])), model.eval()(ids), rtol=0, atol=1e-6)  # without dropout


def test_a_compiled_model_is_exported_as_the_model_inside():
    model = CNN().eval()
    images = torch.randn(2, 1, 28, 28)
    run = export_program(torch.compile(model, backend="eager")).module()
    assert_close(run(images), model(images), rtol=0, atol=1e-6)


LOAD = """
import sys, torch, practicezoo.blocks
run = torch.export.load(sys.argv[1]).module()
print(run(torch.tensor([[1, 2, 3]]), torch.tensor([2])).tolist())
"""


def test_a_saved_program_runs_in_another_process(tmp_path):
    model = CharGRUClassifier(20, 6, hidden_size=5).eval()
    path = tmp_path / "model.pt2"
    torch.export.save(export_program(model), path)
    command = [sys.executable, "-W", "ignore", "-c", LOAD, path]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = model(torch.tensor([[1, 2, 3]]), torch.tensor([2]))
    assert_close(torch.tensor(json.loads(ran.stdout)), expected, rtol=0, atol=1e-6)


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


class Branching(nn.Module):
    def forward(self, inputs):
        return inputs if inputs.sum() > 0 else -inputs


class OneBatchSize(nn.Module):
    def forward(self, inputs):
        return inputs.reshape(3, -1)


def test_a_model_whose_code_cannot_be_traced_is_named_with_its_module(capfd):
    model = nn.Sequential(nn.Linear(2, 2), Branching())
    with pytest.raises(
        ValueError, match=r"but Sequential is not, in its module '1': Guard.*data-dep"
    ) as caught:
        export_program(model, example=torch.ones(3, 2))
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__  # no page of traceback
    with pytest.raises(
        ValueError, match=r"but OneBatchSize is not, in its code: .*Constraints violated \(N\)"
    ):
        export_program(OneBatchSize(), example=torch.ones(3, 2))
    assert capfd.readouterr() == ("", "")


def test_dropout_of_a_layer_is_not_left_out_in_silence():
    model = CharGRUClassifier(20, 6, dropout=0.5)
    with pytest.raises(ValueError, match=r"dropout must be 0 to export in training mode, got 0.5: call eval"):
        torch.export.export(model, tuple(spread((model.example_inputs(),))), strict=False)


@pytest.mark.parametrize(
    ("model", "example", "error", "match"),
    [
        ("cnn", None, TypeError, r"model must be a torch.nn.Module, got str"),
        (nn.Linear(2, 2), None, ValueError, "example must be given for Linear, which has no example_inputs"),
        (CNN(), "x", TypeError, "example must be a tensor, a PaddedSequence or a tuple of tensors, got 'x'"),
        (CNN(), (), TypeError, r"example must be a tensor, .*, got \(\)"),
        (
            CNN(),
            torch.ones(3, 2),
            ValueError,
            r"example must fit CNN: CNN expects images of shape .*\(3, 2\)",
        ),
        (
            CNN(),
            torch.ones(0, 1, 28, 28),
            ValueError,
            "example must hold samples, .*, got \\(0, 1, 28, 28\\)",
        ),
        (
            nn.Bilinear(2, 2, 1),
            (torch.ones(3, 2), torch.ones(2, 2)),
            ValueError,
            r"each argument, got \(3, 2\), \(2, 2\)",
        ),
        (CharTagger(), torch.ones(3), ValueError, "example must fit CharTagger: .*shape"),
        (
            CharTagger(),
            torch.tensor([[9]]),
            ValueError,
            r"example must fit CharTagger: ids must lie in \[0, 4\)",
        ),
        (
            CharTagger(),
            (torch.ones(1, 3).long(), torch.tensor([4])),
            ValueError,
            "example must fit CharTagger: lengths must lie between 1 and 3, got 4",
        ),
    ],
)
def test_a_wrong_model_or_example_is_refused(model, example, error, match):
    with pytest.raises(error, match=match):
        export_program(model, example=example)


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


SCRIPT = Path(__file__).parents[1] / "docs" / "examples" / "export" / "name_country.py"


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


@needs_onnx
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "onnxruntime and NumPy alone"),
        ([" "], "must not be empty"),
        (["Ng", "李"], "'李' has '李', which"),
    ],
)
def test_the_example_refuses_names_that_it_cannot_read(tmp_path, names, message):
    path = tmp_path / "names.onnx"
    preprocessing = json.dumps({"characters": "Ng"})
    export_onnx(CharGRUClassifier(3, 5), path, metadata={"classes": "[]", "preprocessing": preprocessing})
    ran = subprocess.run([sys.executable, SCRIPT, path, *names], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert message in ran.stderr
