"""Saved and loaded: every registered model, users' own, runs; and every file that is wrong."""

import json
import shutil

import pytest
import torch
from torch import nn

from practicezoo import Predictor, SequenceEncoder, create_model, list_weights, load, save, save_checkpoint
from practicezoo.predictors import ImageInput, RowInput
from practicezoo.recipes import get_recipe, train_recipe
from practicezoo.runtime.files import lock_folder
from support.contracts import over_registered
from support.exporting import spread


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))

    def forward(self, rows):
        return self.inner(rows)


def same_tensors(first, second):
    first, second = first.state_dict(), second.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@over_registered()
def test_every_registered_model_comes_back(name, tmp_path):
    model = create_model(name).eval()
    save(model, tmp_path)
    before = torch.get_rng_state()
    loaded = load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    same_tensors(model, loaded.model)
    assert not loaded.model.training
    inputs = spread((model.example_inputs(),))
    inputs = [torch.rand_like(each) if each.is_floating_point() else each for each in inputs]
    assert torch.equal(loaded.model(*inputs), model(*inputs))


@pytest.mark.parametrize("half", [False, True])
def test_a_predictor_comes_back_with_all_it_has(half, tmp_path):
    whole = Predictor(
        create_model("mnist_cnn", num_classes=3),
        preprocess=ImageInput(28, 0.1, (0.3,), background="dark"),
        classes=["a", "b", "c"],
        temperature=1.5,
    )
    save(whole, tmp_path, half=half, card="# A card\n")
    loaded = load(str(tmp_path))
    assert (loaded.classes, loaded.temperature) == (whole.classes, 1.5)
    image = torch.rand(28, 28) * (torch.arange(28) % 27 > 0) * (torch.arange(28) % 27 > 0)[:, None]
    tolerance = 1e-2 if half else 0
    assert loaded(image).probability == pytest.approx(whole(image).probability, abs=tolerance)
    assert {tensor.dtype for tensor in loaded.model.parameters()} == {torch.float32}
    assert (tmp_path / "card.md").read_text() == "# A card\n"
    save(loaded, tmp_path / "again", half=half)
    again = load(tmp_path / "again")
    same_tensors(loaded.model, again.model)


def test_a_network_of_ones_own_comes_back_through_its_builder(tmp_path):
    model = Net(width=5)
    save(model, tmp_path, preprocess=RowInput(2), classes=[*"abcde"], config={"width": 5})
    same_tensors(model, load(tmp_path, builder=Net).model)
    assert load(tmp_path, builder=Net)([1.0, 2.0]).label in "abcde"
    with pytest.raises(ValueError, match=r"builder must be given for .*, whose network is not registered"):
        load(tmp_path)
    with pytest.raises(ValueError, match=r"has no tensor weight"):
        load(tmp_path, builder=lambda width: nn.Linear(2, width))


def test_a_network_that_was_saved_without_its_keywords(tmp_path):
    save(SequenceEncoder(3, 4), tmp_path)
    with pytest.raises(
        ValueError, match=r"shape .* here; it was saved without config=, the keywords for the"
    ):
        load(tmp_path, builder=lambda: SequenceEncoder(3, 5))
    assert load(tmp_path, builder=lambda: SequenceEncoder(3, 4)).model.hidden_size == 4


def test_keywords_that_json_has_no_type_for_need_the_builder(tmp_path):
    save(create_model("mnist_cnn", norm=nn.BatchNorm2d), tmp_path)
    with pytest.raises(ValueError, match=r"builder must be given"):
        load(tmp_path)
    load(tmp_path, builder=lambda: create_model("mnist_cnn", norm=nn.BatchNorm2d))


def test_a_replaced_head_is_saved(tmp_path):
    model = create_model("names_gru", weights="default")
    model.reset_head(47)
    save(model, tmp_path)
    assert load(tmp_path).model.num_classes == 47


def test_weights_are_copied_before_they_are_written(tmp_path):
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    save(tied, tmp_path)
    same_tensors(tied, load(tmp_path, builder=lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))).model)


def test_classes_beside_a_predictor_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"classes must be left out beside a Predictor, which has its own"):
        save(Predictor(Net()), tmp_path, classes=["a"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_recipe(get_recipe("logistic_regression"), folder, device="cpu", epochs=2, progress=False)
    return folder


def test_a_run_is_asked(run):
    assert {label for label, _ in load(run / "checkpoint.pt")("4").ranking} == {"pass", "fail"}
    assert load(str(run / "checkpoint.pt"))([4.0]) == load(run / "checkpoint.pt")(4)


def test_the_folder_of_a_run_says_what_to_give(run, tmp_path):
    with pytest.raises(ValueError, match=r"is the folder of a run: give .*checkpoint.pt"):
        load(run)
    shutil.copy(run / "checkpoint.pt", tmp_path / "update-00000001.pt")
    with pytest.raises(ValueError, match=r"is the folder of a run that has no checkpoint.pt yet"):
        load(tmp_path)


def test_a_run_that_still_trains(run, tmp_path):
    shutil.copy(run / "checkpoint.pt", tmp_path / "best.pt")
    with (
        lock_folder(tmp_path),
        pytest.raises(ValueError, match=r"is of a run that still trains: wait for its checkpoint.pt"),
    ):
        load(tmp_path / "best.pt")
    load(tmp_path / "best.pt")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("names_gur", "model must be one with trained weights, got 'names_gur'; near: names_gru"),
        ("Names-GRU", "model must be one with trained weights, got 'Names-GRU'; near: names_gru"),
        ("names_gru/names", "weights of names_gru must be 'default' or a tag, got 'names'; near: names-20"),
        (
            "linear_regression",
            "linear_regression has no trained weights: its line is one weight and one bias",
        ),
        ("hello_rnn", "hello_rnn has no trained weights: it learns one word"),
    ],
)
def test_names_that_are_not_there(source, message):
    with pytest.raises(ValueError, match=message):
        load(source)


@pytest.mark.parametrize("source", ["./absent", "absent.pt", "../absent", "/absent"])
def test_paths_that_are_not_there(source):
    with pytest.raises(FileNotFoundError, match=r"source must be a folder that save wrote or a run's check"):
        load(source)


def test_what_lies_beside_a_path_that_is_not_there_is_named(tmp_path):
    save(create_model("diabetes_mlp"), tmp_path / "Mine")
    with pytest.raises(FileNotFoundError, match=r"got .*mines, which is not there; near: .*Mine$"):
        load(tmp_path / "mines")
    with pytest.raises(ValueError, match=r"weights must be a folder .*, got .*mines, which is not there"):
        create_model("diabetes_mlp", weights=tmp_path / "mines")
    with pytest.raises(FileNotFoundError, match=r"which is not there$"):
        load(tmp_path / "no folder" / "mine")


@pytest.mark.parametrize("builder", ["Net", lambda **_: 3])
def test_builders_that_make_no_network(builder):
    with pytest.raises(TypeError, match=r"builder must (be a class or function|make an nn.Module, got int)"):
        load("mnist_cnn", builder=builder)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(NotADirectoryError, match=r"folder must be a folder's path, got the file .*taken"):
        save(create_model("diabetes_mlp"), tmp_path / "taken")


def test_what_lies_in_the_current_folder_makes_no_difference_to_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(create_model("diabetes_mlp"), tmp_path / "mine")
    save(create_model("diabetes_mlp"), tmp_path / "names_gru")
    assert load("names_gru").classes
    assert not load("./names_gru").classes
    with pytest.raises(ValueError, match=r"To load what lies at mine, give './mine'"):
        load("mine")


def test_a_source_that_is_neither():
    with pytest.raises(TypeError, match=r"source must be a name or a path, got 7"):
        load(7)


@pytest.fixture
def folder(tmp_path):
    save(create_model("diabetes_mlp"), tmp_path, preprocess=RowInput(8), classes=["no", "yes"])
    return tmp_path


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("place", [0, 20, -1])
def test_one_flipped_bit_is_noticed(place, folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"model.safetensors must have the SHA-256 .* damaged or another file"
    ):
        load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(name, folder):
    (folder / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"{name} is missing: a folder of weights has config.json and"
    ):
        load(folder)


def test_a_foreign_file_is_no_tensors(folder):
    import hashlib

    content = b"a pickle, perhaps"
    (folder / "model.safetensors").write_bytes(content)
    edit(folder, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match=r"model.safetensors must hold tensors in the safetensors format"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": 2},
            "config.json must have the format 1, which this .* reads, got 2: upgrade practicezoo",
        ),
        (
            {"format": None},
            "config.json must be a configuration that practicezoo.save wrote, got format None",
        ),
        ({"config": 7}, "config.json must have 'config' as practicezoo.save writes it, got 7"),
        ({"model": "os.system"}, "cannot be built with .*: name must be a registered model, got 'os.sys"),
        ({"config": {"hidden_sizes": [0]}}, "cannot be built with .*: .* must be integers of at least 1"),
        ({"temperature": "x"}, "must describe a predictor, but temperature must be a positive number, got"),
        ({"classes": 5}, "must describe a predictor, but classes must be a list of labels, got 5"),
        ({"classes": ["a", "b", "c"]}, "must describe a predictor, but classes must be as many as the netw"),
        ({"config": {"wings": 2}}, "cannot be built with .*: diabetes_mlp has no keyword 'wings'"),
        (
            {"config": {"hidden_sizes": [7, 4]}},
            r"features.0.weight has the shape \(6, 8\) there and \(7, 8\) here",
        ),
        ({"model": "linear_regression"}, "must fit the network, but has no tensor weight"),
        ({"preprocessing": {"kind": "sound"}}, "preprocessing must be of a kind among"),
    ],
)
def test_configurations_that_are_wrong(changes, message, folder):
    edit(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("text", "message"), [(b"{", "must hold JSON, got line 1"), (b"\xff", "must be UTF-8")]
)
def test_a_configuration_that_is_no_json(text, message, folder):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_a_checkpoint_of_something_else(tmp_path):
    save_checkpoint(tmp_path / "other.pt", {"model": {}})
    with pytest.raises(
        ValueError, match=r"other.pt must be a checkpoint of a recipe's run, which holds a predic"
    ):
        load(tmp_path / "other.pt")


def test_a_newer_format_in_a_checkpoint(tmp_path):
    save_checkpoint(tmp_path / "new.pt", {"model": {}, "predictor": {"format": 2}})
    with pytest.raises(ValueError, match=r"new.pt must have the format 1, .* got 2: upgrade practicezoo"):
        load(tmp_path / "new.pt")


def test_loading_opens_no_socket(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket", refuse)
    for weights in list_weights():
        load(str(weights))
