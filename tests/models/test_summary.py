import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from practicezoo.models import CNN, CharGRUClassifier, create_model, list_models, model_summary

INPUTS = {
    "mnist": (2, 1, 28, 28),
    "names": (2, 7),
    "hello": (2, 5),
    "diabetes": (2, 8),
    "linear": (2, 1),
    "logistic": (2, 1),
}


@pytest.mark.parametrize("name", list_models())
def test_totals_of_every_registered_model(name: str, capsys):
    model = create_model(name)
    summary = model_summary(model, INPUTS[name.split("_", maxsplit=1)[0]])
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
