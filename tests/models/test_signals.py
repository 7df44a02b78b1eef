"""The networks that are compared on MNIST-1D."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from practicezoo import create_model, feature_maps
from practicezoo.models import SignalCNN

SIZES = {"mnist1d_cnn": 31_850, "mnist1d_gru": 27_018, "mnist1d_mlp": 78_858, "mnist1d_tcn": 36_906}


@pytest.mark.parametrize("name", SIZES)
def test_number_of_parameters_and_overrides(name):
    assert sum(parameter.numel() for parameter in create_model(name).parameters()) == SIZES[name]
    model = create_model(name, in_channels=3, num_classes=7, dtype=torch.float64)
    assert model(torch.zeros(2, 40, 3, dtype=torch.float64)).shape == (2, 7)


def test_the_cnn_is_torchs_one_dimensional_convolutions():
    model = SignalCNN(3, 5, channels=(4, 6), kernel_size=3, norm=None, dtype=torch.float64)
    signals = torch.randn(2, 9, 3, dtype=torch.float64)
    first, second = (stage[1].conv for stage in model.features)
    features = F.conv1d(signals.transpose(1, 2), first.weight.squeeze(2), first.bias, padding=1).relu()
    features = F.conv1d(F.max_pool1d(features, 2), second.weight.squeeze(2), second.bias, padding=1).relu()
    assert_close(model(signals), model.head(features.mean(dim=-1)), rtol=0, atol=1e-12)


def test_the_cnns_feature_info_names_its_stages():
    model = SignalCNN()
    infos = model.feature_info
    maps = feature_maps(model, torch.randn(2, 40, 1), [info.name for info in infos])
    assert [tuple(each.shape) for each in maps.values()] == [
        (2, info.channels, 1, 40 // info.reduction) for info in infos
    ]


def test_the_gru_reads_its_final_state():
    model = create_model("mnist1d_gru", num_layers=2, dropout=0.3).eval()
    inputs = torch.randn(2, 40, 1)
    assert torch.equal(model(inputs), model.head(model.encoder(inputs).final_state))
    assert model.dropout == model.encoder.dropout == 0.3


def test_the_mlp_flattens():
    model = create_model("mnist1d_mlp", hidden_sizes=[8], num_steps=6, norm=nn.BatchNorm1d).eval()
    signals = torch.randn(2, 6, 1)
    assert model.sizes == (6, 8, 10)
    assert torch.equal(model(signals), model(signals[..., 0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"channels": []}, r"channels must be one or more, got \[\]"),
        ({"channels": (4, 0)}, r"channels must be integers of at least 1, got \(4, 0\)"),
        ({"kernel_size": 4}, r"kernel_size must be odd, got \(1, 4\)"),
    ],
)
def test_wrong_arguments_of_the_cnn_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SignalCNN(**arguments)


def test_signals_that_pooling_would_use_up_are_refused():
    with pytest.raises(ValueError, match="SignalCNN expects signals of at least 4 steps, got 3"):
        SignalCNN()(torch.zeros(2, 3, 1))
    assert SignalCNN()(torch.zeros(2, 4, 1)).shape == (2, 10)
