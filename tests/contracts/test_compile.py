"""Every block and model is compiled, exported and traced."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import practicezoo
import practicezoo.models
from practicezoo import TemporalConvBlock
from support.catalog import ENTRIES, MODELS
from support.contracts import (
    FORMS,
    RECURRENT,
    VISION_BLOCKS,
    VISION_MODELS,
    differentiate,
    ignore_grad_access,
    in_form,
    over,
    pad,
    ready,
    results,
    without_dropout,
)

ONE_OF_EACH = list({entry.module: entry for entry in reversed(ENTRIES)}.values())
# the default compiler takes half a minute for some, so it runs for one of each kind
COMPILED_FOR_REAL = {
    "CharGRUClassifier-default",
    "ResidualBlock-norm",
    "mnist_inception",
}

DEEP = {"GoogLeNet-narrow", "InceptionV3-narrow"}  # their export takes ten seconds

# torch's own: its export of a recurrent layer assigns the layer's flat list of weights
ignore_flat_weights = pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights:UserWarning")


def skip_what_torch_cannot_compile(entry, form="padded"):
    """The compiler of torch 2.6 runs the kernel that pads packed steps on tensors without data."""
    padding = {practicezoo.models.CharTagger, practicezoo.models.StepwiseTagger}
    if form == "packed":
        padding |= {practicezoo.SequenceClassifier, practicezoo.TemporalConvNet, TemporalConvBlock}
    if entry.module in padding and torch.__version__.startswith("2.6."):
        pytest.skip("torch 2.6 cannot compile pad_packed_sequence")


@over(ONE_OF_EACH, quick={"ResidualBlock-plain", "CNN-norm", "CharGRUClassifier-default"})
@ignore_grad_access
def test_compile(entry):
    torch.compiler.reset()
    module = ready(entry)
    compiled = torch.compile(module, backend="eager", fullgraph=not entry.recurrent)
    inputs = entry.example(3, torch.float32)
    assert_close(results(compiled(*inputs)), results(module(*inputs)))


@over(RECURRENT, quick={entry.name for entry in ONE_OF_EACH})
@pytest.mark.parametrize("form", FORMS)
@ignore_grad_access
def test_compile_takes_sequences_in_every_form(entry, form):
    skip_what_torch_cannot_compile(entry, form)
    torch.compiler.reset()
    module = ready(entry)
    compiled = torch.compile(module, backend="eager")
    inputs = in_form(form, entry)
    assert_close(results(compiled(*inputs)), results(module(*inputs)))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@ignore_grad_access
def test_the_default_compiler_trains_on_sequences_in_every_form(form):
    torch.compiler.reset()
    (entry,) = (entry for entry in RECURRENT if entry.name == "CharGRUClassifier-default")
    module, inputs = ready(entry), in_form(form, entry)
    gradients = copy.deepcopy(differentiate(module, inputs))
    compiled = torch.compile(module)
    assert_close(results(compiled(*inputs)), results(module(*inputs)), rtol=1e-4, atol=1e-5)
    assert_close(differentiate(compiled, inputs), gradients, rtol=1e-4, atol=1e-5)


@over([entry for entry in MODELS if entry.registered in {"names_gru", "hello_rnn_cell"}])
@ignore_grad_access
def test_fit_trains_a_compiled_model_on_padded_sequences_as_the_model_itself(entry):
    skip_what_torch_cannot_compile(entry)
    torch.compiler.reset()
    plain = entry.build()
    compiled = torch.compile(copy.deepcopy(plain), backend="aot_eager")
    padded = pad(entry.example(4, torch.float32))
    targets = plain(padded).detach().argmin(dim=1)
    losses = [
        practicezoo.fit(
            model,
            [(padded, targets)],
            criterion=nn.CrossEntropyLoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            progress=False,
        )["train_loss"]
        for model in (plain, compiled)
    ]
    assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
    assert losses[0][1] < losses[0][0]


@pytest.mark.slow
@over(ENTRIES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
@ignore_grad_access
def test_a_compiled_module_trains(entry):
    torch.compiler.reset()
    module = ready(entry)
    inputs = entry.example(3, torch.float32)
    gradients = copy.deepcopy(differentiate(module, inputs))
    backend = "inductor" if entry.name in COMPILED_FOR_REAL else "aot_eager"
    compiled = torch.compile(module, backend=backend, fullgraph=not entry.recurrent)
    assert_close(results(compiled(*inputs)), results(module(*inputs)), rtol=1e-4, atol=1e-5)
    assert_close(differentiate(compiled, inputs), gradients, rtol=1e-4, atol=1e-5)


@over(ENTRIES, quick={entry.name for entry in ONE_OF_EACH} - DEEP)
@ignore_flat_weights
def test_export_with_any_batch_size(entry):
    module = ready(entry)
    example = entry.example(3, torch.float32)
    any_batch_size = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
    program = torch.export.export(module, example, dynamic_shapes=any_batch_size)
    for batch_size in (1, 2, 3, 7):
        inputs = entry.example(batch_size, torch.float32)
        assert_close(results(program.module()(*inputs)), results(module(*inputs)))


@over(VISION_BLOCKS + VISION_MODELS + [entry for entry in ENTRIES if entry.module is TemporalConvBlock])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_symbolic_tracing(entry, training):
    module = without_dropout(ready(entry)).train(training)
    inputs = entry.example(3, torch.float32)
    traced = torch.fx.symbolic_trace(copy.deepcopy(module))
    assert_close(results(traced(*inputs)), results(module(*inputs)), rtol=0, atol=0)
