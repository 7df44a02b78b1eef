"""Weights of torchvision: by tag, from files, with other channels and classes; and all that is wrong."""

import re

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import ResNet18_Weights, WeightsEnum

from practicezoo import CNN, DenseNet, ResNet, create_model
from practicezoo.models import to_torchvision


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(1)
    return torchvision.models.resnet18().eval()


@pytest.fixture
def path(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


@pytest.fixture
def downloads(theirs, monkeypatch):
    """What was asked of torchvision, which gives the state without a download."""
    asked = []

    def get_state_dict(entry, **settings):
        asked.append((entry, settings))
        return theirs.state_dict()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    return asked


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("tag", ["DEFAULT", "IMAGENET1K_V1"])
def test_a_tag_is_downloaded_and_checked_by_torchvision(tag, theirs, downloads):
    model = create_model("resnet18", weights=f"torchvision:{tag}")
    assert same(to_torchvision(model), theirs.state_dict())
    ((entry, settings),) = downloads
    assert entry is ResNet18_Weights[tag]
    assert settings["check_hash"] is True


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["string", "path"])
def test_a_file_is_read_without_a_download(kind, theirs, path, downloads):
    assert same(to_torchvision(create_model("resnet18", weights=kind(path))), theirs.state_dict())
    assert not downloads


def test_a_path_within_the_current_folder(theirs, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert same(to_torchvision(create_model("resnet18", weights="resnet18.pth")), theirs.state_dict())


def test_a_file_brings_its_classes_and_channels(tmp_path):
    theirs = torchvision.models.resnet18(num_classes=5)
    theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    torch.save(theirs.state_dict(), tmp_path / "grey.pth")
    model = create_model("resnet18", weights=tmp_path / "grey.pth").eval()
    assert model.in_channels == 1
    assert model.num_classes == 5
    images = torch.randn(2, 1, 40, 50)
    assert torch.equal(model(images), theirs.eval()(images))


def test_other_classes_get_a_fresh_head(theirs, path, caplog):
    model = create_model("resnet18", weights=path, num_classes=10)
    assert model.num_classes == 10
    assert torch.equal(model.features.layer4[1].residual[1].conv.weight, theirs.layer4[1].conv2.weight)
    assert caplog.messages == [f"{path}: head has other classes and starts afresh: train it"]


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_other_channels_are_adapted_as_timm_does(channels, theirs, path):
    model = create_model("resnet18", weights=path, in_channels=channels)
    trained = theirs.conv1.weight
    expected = trained.sum(dim=1, keepdim=True)
    if channels > 1:
        expected = trained.repeat(1, 3, 1, 1)[:, :channels] * (3 / channels)
    torch.testing.assert_close(model.features.stem[0].conv.weight, expected, rtol=0, atol=1e-7)


def test_one_channel_of_grey_images_gives_what_three_equal_ones_do(theirs, path):
    grey = create_model("resnet18", weights=path, in_channels=1).eval()
    images = torch.randn(2, 1, 48, 48)
    torch.testing.assert_close(grey(images), theirs(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)


def test_other_settings_take_the_weights_as_far_as_they_fit(path):
    assert create_model("resnet18", weights=path, shortcut="scale", activation=nn.SiLU)
    with pytest.raises(ValueError, match=r"the network has no tensor layer2\.0\.downsample\.0\.weight"):
        create_model("resnet18", weights=path, shortcut="pad")


def test_names_in_old_files_of_densenet_are_understood(tmp_path):
    theirs = torchvision.models.densenet121()
    state = theirs.state_dict()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")  # which norms had not yet
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    assert same(to_torchvision(create_model("densenet121", weights=tmp_path / "old.pth")), state)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        (
            "resnet18",
            "torchvision:IMAGENET1K_V3",
            "weights of resnet18 in torchvision must be one of its tags, got 'IMAGENET1K_V3'; near: IMAGE",
        ),
        ("resnet18", "torchvision:", r"got ''; near: DEFAULT, IMAGENET1K_V1"),
        ("resnet20", "torchvision:DEFAULT", "name must be one of torchvision's networks .*, got resnet20"),
        ("mnist_cnn", "torchvision:DEFAULT", "name must be one of torchvision's networks .*, got mnist_cnn"),
        ("resnet18", "./absent.pth", "weights must be a file that is there, got absent.pth"),
        ("resnet18", "default", r'no trained weights: create_model\(.*"torchvision:DEFAULT"\) downloads'),
        ("resnet20", "default", "resnet20 has no trained weights: it learns CIFAR-10, which"),
    ],
)
def test_weights_that_are_not_there(name, weights, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, weights=weights)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("densenet121", "weights must be of densenet121, got some without classifier.weight or without con"),
        ("mnist_cnn", "model must be a network that torchvision has too, got mnist_cnn$"),
        ("resnet34", "resnet18.pth must fit the network, but has no tensor layer1.2.conv1.weight"),
        ("resnet50", "resnet18.pth must fit the network, but has no tensor layer1.0.conv3.weight"),
        ("resnet20", "resnet18.pth must fit the network, but has no tensor layer1.2.conv1.weight"),
    ],
)
def test_weights_of_another_network(name, message, path):
    with pytest.raises(ValueError, match=message):
        create_model(name, weights=path)


def test_a_tensor_that_does_not_fit(path):
    message = (
        r"resnet18.pth must fit the network, but features.stem.0.conv.weight has the shape \(64, 3, 7, 7\)"
    )
    with pytest.raises(ValueError, match=message):
        create_model("resnet18", weights=path, stem="small")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"conv1.weight": torch.zeros(1)}}, "which has dict under 'model'"),
        ([torch.zeros(1)], "which holds list"),
        (nn.Linear(1, 1), "which holds something else than tensors"),
    ],
    ids=["checkpoint", "list", "module"],
)
def test_files_that_hold_something_else(content, message, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=rf"must be a file of torch.save\(.*other.pth, {message}"):
        create_model("resnet18", weights=tmp_path / "other.pth")


def test_a_file_that_torch_did_not_write(tmp_path):
    (tmp_path / "text.pth").write_text("no tensors")
    with pytest.raises(ValueError, match=r"must be a file of torch.save\(.*text.pth, which holds something"):
        create_model("resnet18", weights=tmp_path / "text.pth")


def test_a_checkpoint_with_another_ending_is_told_apart(tmp_path):
    with pytest.raises(
        ValueError, match=r"weights must be a folder .*a state dict of torchvision's ends in .pth"
    ):
        create_model("resnet18", weights=tmp_path / "resnet18.pt")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CNN(), "model must be a network that torchvision has too, got CNN$"),
        (
            ResNet(depths=(1,), channels=(64,), preactivation=True),
            "model must be a network that torchvision has too, got ResNet with these settings$",
        ),
    ],
)
def test_networks_that_torchvision_has_not(model, message):
    with pytest.raises(ValueError, match=message):
        to_torchvision(model)


def test_the_state_dict_of_a_compiled_network_has_torchvisions_names():
    model = DenseNet(growth_rate=4, depths=(1, 1), stem_channels=4)
    names = list(to_torchvision(model))
    assert list(to_torchvision(torch.compile(model, backend="eager"))) == names
    assert names[0] == "features.conv0.weight"
    assert "features.denseblock2.denselayer1.conv2.weight" in names
