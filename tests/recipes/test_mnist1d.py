"""The recipes for MNIST-1D: four families, one data set that the library makes."""

import pytest
import torch

from practicezoo import load
from practicezoo.cli import main
from practicezoo.data import mnist1d_signals
from practicezoo.recipes import DataOptions, get_recipe, list_recipes, load_trained, train_recipe
from practicezoo.recipes.systems.mnist1d import Mnist1DRecipe, vary

NAMES = [name for name in list_recipes() if isinstance(get_recipe(name), Mnist1DRecipe)]


@pytest.fixture(autouse=True, scope="module")
def small():
    """A few hundred signals instead of thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "practicezoo.recipes.systems.mnist1d.mnist1d_signals",
            lambda split: mnist1d_signals(split, num_samples=400),
        )
        yield


def train(name, folder, **settings):
    return train_recipe(get_recipe(name), folder, device="cpu", progress=False, **settings)


def test_there_is_one_for_each_family():
    assert NAMES == ["mnist1d_mlp", "mnist1d_cnn", "mnist1d_gru", "mnist1d_tcn"]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_trains_measures_and_loads_again(name, tmp_path):
    recipe = get_recipe(name)
    splits = recipe.load(DataOptions(), seed=0)
    for setting in recipe.settings:
        result = train(name, tmp_path / setting, setting=setting, epochs=2)
        model, state = load_trained(recipe, tmp_path / setting / "checkpoint.pt", device="cpu")
        assert recipe.measure(model, splits)["test_accuracy"] == result.figures["test_accuracy"]
        assert state["data"] == "mnist1d"
        predictions = load(tmp_path / setting / "checkpoint.pt")(splits.test[0], top=1)
        right = [p.label == str(int(target)) for p, target in zip(predictions, splits.test[1], strict=True)]
        assert sum(right) / len(right) == pytest.approx(result.figures["test_accuracy"])


def test_a_few_epochs_on_a_few_signals_teach_something(tmp_path):
    assert train("mnist1d_cnn", tmp_path, epochs=12).figures["test_accuracy"] > 0.5


def test_signals_are_varied_each_for_itself_and_without_a_trace():
    signals, _ = mnist1d_signals("train", num_samples=400)
    before = signals.clone()
    torch.manual_seed(0)
    varied = vary(signals)
    assert torch.equal(signals, before)
    assert varied.shape == signals.shape
    assert not torch.equal(varied[0], varied[1])
    torch.manual_seed(0)
    assert torch.equal(vary(signals), varied)


def test_a_variation_is_a_turned_stretched_and_tilted_signal():
    signals, _ = mnist1d_signals("train", num_samples=50)
    torch.manual_seed(0)
    varied = vary(signals)
    slope = torch.linspace(-1, 1, 40)
    for signal, other in zip(signals[..., 0], varied[..., 0], strict=True):
        errors = []
        for shift in range(-4, 5):
            basis = torch.stack([signal.roll(shift), slope], dim=1).double()
            solution = torch.linalg.lstsq(basis, other[:, None].double()).solution
            errors.append((basis @ solution - other[:, None]).std())
        assert min(errors) < 0.09  # the noise's standard deviation is 0.05


def test_no_data_set_is_chosen():
    with pytest.raises(ValueError, match="dataset must be left out for mnist1d_tcn, got 'mnist'"):
        get_recipe("mnist1d_tcn").load(DataOptions(dataset="mnist"), seed=0)


def test_one_command_trains_and_another_predicts(tmp_path, capsys):
    assert main(["train", "mnist1d_mlp", "--epochs", "1", "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert "test_accuracy" in capsys.readouterr().out
    signal = ",".join(["0.5"] * 40)
    command = ["predict", "mnist1d_mlp", "--checkpoint", str(tmp_path / "checkpoint.pt"), signal]
    assert main(command) == 0
    assert "0.5" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("mnist1d_mlp", 0.74), ("mnist1d_cnn", 0.97)])
def test_the_whole_training_reaches_its_figure(name, least, tmp_path, monkeypatch):
    monkeypatch.setattr("practicezoo.recipes.systems.mnist1d.mnist1d_signals", mnist1d_signals)
    assert train(name, tmp_path).figures["test_accuracy"] >= least
