from fnmatch import fnmatch

import pytest
import torch
from torch import nn

from practicezoo.models import (
    CNN,
    MLP,
    CharGRUClassifier,
    CharTagger,
    ImageClassifier,
    InceptionNet,
    LinearRegression,
    LogisticRegression,
    ResidualNet,
    StepwiseTagger,
    create_model,
    list_models,
    register_model,
    registry,
)
from support.catalog import FULL_SIZED, SMALL

COURSE = {
    "diabetes_mlp": (MLP, 87),
    "hello_embedding_rnn": (CharTagger, 380),
    "hello_rnn": (CharTagger, 40),
    "hello_rnn_cell": (StepwiseTagger, 40),
    "linear_regression": (LinearRegression, 2),
    "logistic_regression": (LogisticRegression, 2),
    "mnist_cnn": (CNN, 8_490),
    "mnist_fast": (ImageClassifier, 36_794),
    "mnist_tiny": (ImageClassifier, 6_866),
    "mnist_inception": (InceptionNet, 97_298),
    "mnist_mlp": (MLP, 575_050),
    "mnist_resnet": (ResidualNet, 41_514),
    "mnist_resnet_notes": (ResidualNet, 14_570),
    "names_gru": (CharGRUClassifier, 318_818),
}


@pytest.fixture
def scratch_registry(monkeypatch):
    monkeypatch.setattr(registry, "BUILDERS", dict(registry.BUILDERS))


@pytest.mark.parametrize("name", COURSE)
def test_the_courses_models(name: str):
    kind, count = COURSE[name]
    model = create_model(name)
    assert type(model) is kind
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize("name", [name for name in COURSE if name.startswith("mnist")])
def test_overrides_are_the_constructors_keywords(name: str):
    model = create_model(name, in_channels=3, num_classes=47, image_size=32, dtype=torch.float64)
    assert model(torch.zeros(2, 3, 32, 32, dtype=torch.float64)).shape == (2, 47)


def test_hidden_sizes_of_the_mlp():
    assert create_model("mnist_mlp", hidden_sizes=[100]).sizes == (784, 100, 10)


def test_sizes_of_the_network_for_diabetes():
    model = create_model("diabetes_mlp")
    assert model.sizes == (8, 6, 4, 1)
    assert [type(layer) for layer in model.features] == [nn.Linear, nn.Sigmoid] * 2
    assert create_model("diabetes_mlp", in_features=30, hidden_sizes=[10]).sizes == (30, 10, 1)


def test_listing():
    assert set(COURSE) <= set(list_models())
    assert list_models("mnist_res*") == ["mnist_resnet", "mnist_resnet_notes"]
    assert list_models("*gru") == ["mnist1d_gru", "names_gru"]
    assert list_models("nothing*") == []
    assert list_models() == sorted(list_models())


def test_every_model_is_small_and_in_the_catalog_or_of_a_family_that_runs_slow():
    left = set(list_models()) - SMALL
    assert left == {name for name in left if any(fnmatch(name, pattern) for pattern in FULL_SIZED)}


def test_an_unknown_name_lists_near_matches():
    with pytest.raises(
        ValueError, match="name must be a registered model, got 'mnist_resnets'; near: mnist_resnet, "
    ):
        create_model("mnist_resnets")
    with pytest.raises(ValueError, match=r"got 'xyz'; there are: .*mnist_cnn, .*names_gru"):
        create_model("xyz")
    with pytest.raises(ValueError, match=r"got <class '.*CNN'>; (near|there are)"):
        create_model(CNN)


def test_an_unknown_override_is_named():
    with pytest.raises(
        TypeError, match=r"mnist_cnn has no keyword 'num_clases'; its keywords are .*num_classes"
    ):
        create_model("mnist_cnn", num_clases=3)


@pytest.mark.usefixtures("scratch_registry")
def test_registering_a_class_or_a_function():
    @register_model("tiny")
    def tiny(*, out_features: int = 2) -> nn.Module:
        return nn.Linear(3, out_features)

    assert tiny().out_features == 2
    assert create_model("tiny", out_features=5).out_features == 5
    with pytest.raises(ValueError, match="name must be new, got 'tiny', which is registered"):
        register_model("tiny")(nn.Linear)
