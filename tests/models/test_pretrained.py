"""Trained weights in networks of other classes and channels, and every misfit."""

import logging

import pytest
import torch

from practicezoo import create_model, list_weights, load, save


def test_the_default_weights_bring_their_keywords():
    model = create_model("names_gru", weights="default")
    assert model.num_classes == 18
    assert model.dropout.p == 0.3
    assert torch.equal(model.head.weight, load("names_gru").model.head.weight)


@pytest.mark.parametrize("how", ["tag", "record", "path", "string"])
def test_weights_are_named_in_four_ways(how, tmp_path):
    (record,) = list_weights("mnist_cnn")
    save(load("mnist_cnn"), tmp_path)
    weights = {"tag": record.tag, "record": record, "path": tmp_path, "string": str(tmp_path)}[how]
    model = create_model("mnist_cnn", weights=weights)
    expected = load("mnist_cnn").model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_other_classes_get_a_fresh_head_and_the_rest_stays(caplog):
    torch.manual_seed(0)
    model = create_model("mnist_cnn", weights="default", num_classes=26)
    trained = load("mnist_cnn").model
    assert model.head.weight.shape == (26, 320)
    assert all(
        torch.equal(tensor, trained.state_dict()[name])
        for name, tensor in model.state_dict().items()
        if not name.startswith("head.")
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"mnist_cnn/{list_weights('mnist_cnn')[0].tag}: head has other classes and starts afresh: train it"
    ]


def test_the_same_number_of_classes_keeps_the_head(caplog):
    model = create_model("mnist_cnn", weights="default", num_classes=10)
    assert torch.equal(model.head.weight, load("mnist_cnn").model.head.weight)
    assert not caplog.records


def test_other_channels_adapt_the_first_convolution(caplog):
    caplog.set_level(logging.WARNING)
    grey = load("mnist_cnn").model
    colours = create_model("mnist_cnn", weights="default", in_channels=3).eval()
    images = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(colours(images.expand(-1, 3, -1, -1)), grey(images))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.endswith("features.0.conv.conv.weight is adapted from 1 to 3 input channels")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "mnist_cnn",
            {"weights": "mnist-1998"},
            r"must be 'default' or a tag, got 'mnist-1998'; near: mnist-20",
        ),
        (
            "linear_regression",
            {"weights": "default"},
            "linear_regression has no trained weights: its line is",
        ),
        (
            "mnist_cnn",
            {"weights": "default", "channels": (4, 5)},
            r"features.0.conv.conv.weight has the shape \(10, 1, 5, 5\) there and \(4, 1, 5, 5\) here",
        ),
        (
            "mnist_mlp",
            {"weights": "default", "in_channels": 3},
            r"features.0.weight has the shape \(512, 784\) there and \(512, 2352\) here",
        ),
        (
            "names_gru",
            {"weights": "default", "num_chars": 60},
            r"embedding.weight has the shape \(128, 100\) there and \(60, 100\) here",
        ),
        (
            "mnist_cnn",
            {"weights": "./absent"},
            "weights must be a folder that practicezoo.save wrote, got absent",
        ),
        ("mnist_cnn", {"weights": "run/checkpoint.pt"}, "practicezoo.load reads a run's checkpoint"),
        (
            "mnist_mlp",
            {"weights": list_weights("mnist_cnn")[0]},
            "weights must be of mnist_mlp, got those of mnist_c",
        ),
        (
            "mnist_cn",
            {"weights": "default"},
            "name must be a registered model, got 'mnist_cn'; near: mnist_cnn",
        ),
    ],
)
def test_what_does_not_fit_is_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **arguments)


def test_a_folder_named_like_a_tag_says_how_to_spell_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(load("mnist_cnn"), tmp_path / "mine")
    with pytest.raises(ValueError, match=r"got 'mine'; near: .*To load what lies at mine, give './mine'"):
        create_model("mnist_cnn", weights="mine")
    create_model("mnist_cnn", weights="./mine")


def test_a_network_without_data_takes_no_weights():
    with pytest.raises(ValueError, match="device must hold data for trained weights, got a network on meta"):
        create_model("mnist_cnn", weights="default", device="meta")


def test_a_keyword_that_the_model_has_not():
    with pytest.raises(TypeError, match="mnist_cnn has no keyword 'wings'"):
        create_model("mnist_cnn", weights="default", wings=2)
