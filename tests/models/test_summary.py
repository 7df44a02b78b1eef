import re
from collections import UserDict

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from practicezoo import PaddedSequence
from practicezoo.models import CNN, CharGRUClassifier, create_model, model_summary
from support.contracts import over_registered

INPUTS = {
    "mnist": (2, 1, 28, 28),
    "mnist1d": (2, 40, 1),
    "names": (2, 7),
    "hello": (2, 5),
    "diabetes": (2, 8),
    "linear": (2, 1),
    "logistic": (2, 1),
}


@over_registered()
def test_totals_of_every_registered_model(name: str, capsys):
    model = create_model(name)
    summary = model_summary(model, INPUTS.get(name.split("_", maxsplit=1)[0], (2, 3, 96, 96)))
    table = capsys.readouterr().out
    count = sum(parameter.numel() for parameter in model.parameters())
    assert summary.num_parameters == count == sum(layer.num_parameters for layer in summary.layers)
    assert summary.multiply_adds == sum(layer.multiply_adds for layer in summary.layers) > 0
    assert table == f"{summary}\n"
    assert table.splitlines()[-1].split() == ["total", f"{count:,}", f"{summary.multiply_adds:,}"]


def test_rows_of_the_cnn_by_hand():
    layers = {layer.name: layer for layer in model_summary(CNN(), (1, 1, 28, 28)).layers}
    conv, head = layers["features.1.conv.conv"], layers["head"]
    assert (conv.kind, conv.output_shape, conv.num_parameters) == ("Conv2d", (1, 20, 8, 8), 5_020)
    assert conv.multiply_adds == 20 * 8 * 8 * 10 * 5 * 5
    assert (head.output_shape, head.num_parameters, head.multiply_adds) == ((1, 10), 3_210, 3_200)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_recurrent_layers_by_hand(cell: str, gates: int):
    layers = {layer.name: layer for layer in model_summary(CharGRUClassifier(cell=cell), (2, 7)).layers}
    assert layers["encoder.rnn"].output_shape == (2, 7, 200)
    # two directions, each gate from input and state: layer 1 reads 100 features, layer 2 200
    assert layers["encoder.rnn"].multiply_adds == 2 * 7 * 2 * gates * 100 * (100 + 100 + 200 + 100)
    assert layers["embedding"].multiply_adds == 0


def test_nothing_is_computed_or_changed():
    model = CNN(norm=nn.BatchNorm2d, image_size=16).train()
    model_summary(model, (10**6, 1, 16, 16))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert next(model.parameters()).device.type == "cpu"
    assert int(model.features[0].conv.norm.num_batches_tracked) == 0


def test_shared_layers_count_once():
    shared = nn.Linear(3, 3)
    summary = model_summary(nn.Sequential(shared, nn.ReLU(), shared), (2, 3))
    assert summary.num_parameters == 12
    assert summary.multiply_adds == 2 * 2 * 9


def test_work_outside_the_layers_is_in_the_total():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 4))

        def forward(self, inputs):
            return {"logits": inputs @ self.weight}

    summary = model_summary(Product(), (2, 3))
    assert summary.layers[0].output_shape == ()
    assert summary.num_parameters == summary.layers[0].num_parameters == 12
    assert summary.multiply_adds == 24


def test_the_dtype_of_the_input_can_be_given():
    class Shift(nn.Module):
        def forward(self, inputs):
            assert inputs.dtype == torch.int16
            return inputs + 1

    assert model_summary(Shift(), (2, 3), dtype=torch.int16).num_parameters == 0


def test_repr_is_short():
    assert repr(model_summary(CNN(), (1, 1, 28, 28))) == (
        "ModelSummary(7 layers, 8,490 parameters, 467,200 multiply-adds)"
    )


def test_equals_torchs_own_counter():
    model = create_model("mnist_resnet")
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(3, 1, 28, 28))
    assert 2 * model_summary(model, (3, 1, 28, 28)).multiply_adds == counter.get_total_flops()


TEXTS = PaddedSequence(torch.tensor([[5, 6, 7, 2], [8, 0, 0, 0]]), torch.tensor([4, 1]))


@pytest.mark.parametrize(
    "inputs",
    [TEXTS, TEXTS.pack(), tuple(TEXTS), {"inputs": TEXTS.data, "lengths": TEXTS.lengths}],
    ids=["padded", "packed", "arguments", "keywords"],
)
def test_sequences_count_by_their_real_steps(inputs):
    model = CharGRUClassifier(num_layers=1, bidirectional=False)
    layers = {layer.name: layer for layer in model_summary(model, inputs).layers}
    assert layers["encoder.rnn"].multiply_adds == (4 + 1) * 3 * 100 * (100 + 100)
    assert layers["head"].output_shape == (2, 18)


def test_example_inputs_are_positional_arguments_or_keywords():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)

        def forward(self, left, right):
            return self.left(left) + self.right(right)

    left, right = torch.zeros(5, 3), torch.zeros(5, 2)
    for inputs in ((left, right), [left, right], {"right": right, "left": left}):
        assert model_summary(Sum(), inputs).multiply_adds == 5 * 4 * (3 + 2)
    with pytest.raises(TypeError, match=r"inputs must fit Sum.forward\(left, right\), got the keywords left"):
        model_summary(Sum(), {"left": left})


def test_an_example_tensor_counts_as_its_shape():
    model = CNN()
    assert model_summary(model, torch.zeros(2, 1, 28, 28)) == model_summary(model, (2, 1, 28, 28))


@pytest.mark.parametrize("inputs", [(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)], ids=["shape", "example"])
def test_lazy_modules_get_their_sizes_in_the_copy_alone(inputs):
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3))
    random_state = torch.get_rng_state()
    summary = model_summary(model, inputs)
    assert torch.equal(torch.get_rng_state(), random_state)
    sized = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    assert summary == model_summary(sized, (2, 1, 8, 8))
    assert all(isinstance(p, nn.UninitializedParameter) for p in model.parameters())
    assert model(torch.zeros(2, 3, 9, 9)).shape == (2, 3)  # another size than the table's


def test_a_compiled_model_is_summarised_as_the_model_itself():
    model = CNN()
    compiled = torch.compile(model, backend="eager")
    assert model_summary(compiled, (1, 1, 28, 28)) == model_summary(model, (1, 1, 28, 28))


@pytest.mark.parametrize("inputs", [{"images": (1, 1, 28, 28)}, 28, "28", [1.0, 28.0], None])
def test_inputs_that_are_neither_a_shape_nor_an_example_are_refused(inputs):
    message = f"inputs must be a shape or hold the tensors of an example, got {inputs!r}"
    with pytest.raises(TypeError, match=re.escape(message)):
        model_summary(CNN(), inputs)


def test_a_dtype_beside_example_inputs_is_refused():
    with pytest.raises(ValueError, match=r"dtype goes with a shape.*, got torch.float16"):
        model_summary(CNN(), torch.zeros(1, 1, 28, 28), dtype=torch.float16)


def test_a_model_on_the_meta_device_stays_there():
    assert model_summary(CNN(device="meta"), torch.zeros(2, 1, 28, 28)).num_parameters == 8_490


def test_tied_parameters_count_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert model_summary(model, (2, 3)).num_parameters == 9 + 3 + 3


def test_an_example_is_not_changed_by_what_works_in_place():
    example = torch.full((2, 3), -1.0)
    model_summary(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 1)), example)
    assert (example == -1).all()


def test_any_mapping_is_keywords():
    inputs = UserDict(inputs=torch.zeros(2, 1, 28, 28))

    class Keywords(CNN):
        def forward(self, inputs):
            return super().forward(inputs)

    assert model_summary(Keywords(), inputs).num_parameters == 8_490
