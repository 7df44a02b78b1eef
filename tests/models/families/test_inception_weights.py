"""Torchvision's weights of GoogLeNet and Inception v3, with and without their auxiliary heads."""

import pytest
import torch
import torchvision
from torchvision.models import WeightsEnum

from practicezoo import GoogLeNet, create_model, save
from practicezoo.models import to_torchvision
from support.slow import slow_unless

NAMES = ["googlenet", "inception_v3"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a file of torchvision's tensors for each network, auxiliary heads included."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        theirs = getattr(torchvision.models, name)(init_weights=False, aux_logits=True)
        torch.save(theirs.state_dict(), folder / f"{name}.pth")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_auxiliary_tensors_are_passed_over_without_the_heads(name, files):
    path = files / f"{name}.pth"
    state = torch.load(path)
    without, having = create_model(name, weights=path), create_model(name, weights=path, auxiliary=True)
    for key, tensor in to_torchvision(having).items():
        assert torch.equal(tensor, state[key]), key
    kept = to_torchvision(without)
    assert {key for key in state if key not in kept} == {
        key for key in state if key.startswith(("aux", "AuxLogits"))
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [("googlenet", "aux3.fc1.weight"), pytest.param("inception_v3", "aux.fc.weight", marks=pytest.mark.slow)],
)
def test_no_other_tensor_is_passed_over(name, key, files, tmp_path):
    path = files / f"{name}.pth"
    torch.save(torch.load(path) | {key: torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(ValueError, match=rf"must fit the network, but the network has no tensor {key}"):
        create_model(name, weights=tmp_path / "more.pth")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("googlenet", "aux1.conv.conv.weight"),
        pytest.param("inception_v3", "AuxLogits.conv0.conv.weight", marks=pytest.mark.slow),
    ],
)
def test_heads_that_the_file_does_not_have_are_named(name, key, files, tmp_path):
    state = torch.load(files / f"{name}.pth")
    path = tmp_path / "fewer.pth"
    torch.save({key: value for key, value in state.items() if "ux" not in key}, path)
    assert create_model(name, weights=path).num_classes == 1000
    with pytest.raises(ValueError, match=rf"must fit the network, but has no tensor {key}"):
        create_model(name, weights=path, auxiliary=True)


def test_other_classes_give_every_head_a_fresh_start(files, caplog):
    path = files / "googlenet.pth"
    model = create_model("googlenet", weights=path, num_classes=5, auxiliary=True)
    outputs = model(torch.randn(2, 3, 33, 33))
    assert [logits.shape for logits in (outputs.logits, *outputs.auxiliary)] == [(2, 5)] * 3
    assert torch.equal(model.features.conv1.conv.weight, torch.load(path)["conv1.conv.weight"])
    (message,) = [record.getMessage() for record in caplog.records]
    heads = "head, auxiliary_heads.inception4a.head, auxiliary_heads.inception4d.head"
    assert message.endswith(f"{heads} has other classes and starts afresh: train it")


def test_a_folder_of_ones_own_gives_its_network_with_or_without_the_heads(tmp_path):
    model = create_model("googlenet", width=0.05, auxiliary=True)
    save(model, tmp_path)
    assert create_model("googlenet", weights=tmp_path).auxiliary
    without = create_model("googlenet", weights=tmp_path, auxiliary=False).eval()
    images = torch.randn(2, 3, 33, 33)
    assert torch.equal(without(images), model.eval()(images))


@pytest.mark.parametrize("name", slow_unless(NAMES, {"googlenet"}))
def test_a_tag_turns_the_transform_on_and_a_file_does_not(name, files, monkeypatch):
    path = files / f"{name}.pth"
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: torch.load(path))
    published = create_model(name, weights="torchvision:DEFAULT")
    assert published.transform_input
    assert not create_model(name, weights="torchvision:DEFAULT", transform_input=False).transform_input
    assert not create_model(name, weights=path).transform_input
    theirs = getattr(torchvision.models, name)(
        init_weights=False, aux_logits=True, transform_input=True
    ).eval()
    theirs.load_state_dict(torch.load(path))
    images = torch.randn(1, 3, 80, 80)
    with torch.no_grad():
        assert torch.equal(published.eval()(images), theirs(images))


def test_a_tag_for_grey_images_sums_and_does_not_transform(files, monkeypatch):
    state = torch.load(files / "googlenet.pth")
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: state)
    model = create_model("googlenet", weights="torchvision:DEFAULT", in_channels=1)
    assert not model.transform_input
    assert torch.equal(model.features.conv1.conv.weight, state["conv1.conv.weight"].sum(dim=1, keepdim=True))


def test_the_papers_kernels_have_no_weights_there(files):
    message = "model must be a network that torchvision has too, got GoogLeNet with these settings"
    with pytest.raises(ValueError, match=message):
        to_torchvision(GoogLeNet(kernel_size=5, width=0.05))
    with pytest.raises(ValueError, match="must be a network that torchvision has too"):
        create_model("googlenet", weights=files / "googlenet.pth", kernel_size=5)
