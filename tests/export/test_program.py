"""Exported programs compute what their models do: any batch, any lengths."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import CNN, CharGRUClassifier, CharTagger, PaddedSequence, create_model, export_program
from support.catalog import ENTRIES
from support.contracts import over, over_registered, ready
from support.exporting import QUICK, RECURRENT, batch, check_agrees, described, leaves, spread, texts
from support.slow import slow_unless

# torch's own, in its exporters
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@over(ENTRIES, quick={"InceptionA-norm", "mnist_resnet", "names_gru"})
def test_a_program_agrees_with_its_model_for_every_batch_size(entry):
    module = ready(entry)
    program = export_program(module, example=batch(entry, 3))
    assert not module.training
    run = program.module()
    check_agrees(module, lambda *inputs: leaves(run(*inputs)), [batch(entry, size) for size in (1, 2, 5)])


@over_registered()
def test_a_registered_model_has_its_own_example(name):
    model = create_model(name).eval()
    example = model.example_inputs()
    run = export_program(model).module()
    assert_close(run(*spread((example,))), model(example), rtol=0, atol=1e-6)
    assert len(example) == 2


@pytest.mark.parametrize("model", slow_unless(RECURRENT, QUICK), ids=described)
def test_a_program_takes_texts_of_every_shape(model):
    run = export_program(model.eval()).module()
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), texts(20))


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


def normed_head(num_in, num_out, **settings):
    """As many features as a batch has steps: a norm over the wrong dimension would go unseen."""
    return nn.Sequential(nn.Linear(num_in, 3, **settings), nn.BatchNorm1d(3), nn.Linear(3, num_out))


def test_a_head_with_a_norm_looks_at_features():
    model = CharTagger(20, 6, hidden_size=5, head=normed_head)
    model.head[1].running_mean.copy_(torch.tensor([1.0, -2.0, 3.0]))
    run = export_program(model.eval()).module()
    check_agrees(model, lambda *inputs: leaves(run(*inputs)), texts(20))


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
