"""No recipe of the library has a finding, and a mistake in one is found."""

import dataclasses

import pytest
from torch.optim import SGD

from practicezoo.recipes import DataOptions, check_recipe, get_recipe, list_recipes, train_recipe
from practicezoo.recipes.systems.mnist import MnistMLP
from support.slow import slow_unless

SETTINGS = [(name, setting) for name in list_recipes() for setting in get_recipe(name).settings]
QUICK = [(name, setting) for name, setting in SETTINGS if not name.startswith("cifar10")]


pytestmark = pytest.mark.usefixtures("few_digits")


@pytest.mark.parametrize("seed", slow_unless(range(3), {0}))
@pytest.mark.parametrize("case", slow_unless(SETTINGS, QUICK), ids="-".join)
@pytest.mark.filterwarnings("ignore:the network is too large for updates on one batch:UserWarning")
def test_no_recipe_has_a_finding(case, seed):
    name, setting = case
    recipe = get_recipe(name)
    data = DataOptions(dataset="synthetic" if "synthetic" in recipe.datasets else None)
    assert check_recipe(recipe, setting=setting, data=data, device="cpu", seed=seed) == []


@pytest.mark.realdata(
    "course/names_train.csv.gz", "course/diabetes.csv.gz", "MNIST/raw/train-images-idx3-ubyte.gz"
)
@pytest.mark.parametrize(("name", "setting"), QUICK)
def test_no_recipe_has_a_finding_on_the_courses_data(name, setting, data_root):
    assert (
        check_recipe(get_recipe(name), setting=setting, data=DataOptions(root=data_root), device="cpu") == []
    )


def test_a_mistake_in_a_recipe_is_found(monkeypatch):
    setting = dataclasses.replace(MnistMLP.settings["course"], optimizer=lambda p: SGD(p, lr=0))
    monkeypatch.setattr(MnistMLP, "settings", {"course": setting})
    (finding,) = check_recipe(
        get_recipe("mnist_mlp"), setting="course", data=DataOptions(dataset="synthetic"), device="cpu"
    )
    assert finding.code == "zero-learning-rate"


def test_the_check_gets_what_training_starts_with(tmp_path, monkeypatch):
    seen = []

    def spy(model, loader, *, optimizer, **settings):
        seen.append([parameter.tolist() for parameter in model.parameters()])
        seen.append([(inputs.data.tolist(), targets.tolist()) for inputs, targets in loader])
        seen.append([repr(optimizer), settings["criterion"].label_smoothing])
        raise KeyboardInterrupt

    recipe = get_recipe("names_gru")
    for name in ("practicezoo.recipes.preflight.check", "practicezoo.recipes.experiment.fit"):
        monkeypatch.setattr(name, spy)
    with pytest.raises(KeyboardInterrupt):
        check_recipe(recipe, device="cpu", seed=3)
    with pytest.raises(KeyboardInterrupt):
        train_recipe(recipe, tmp_path, device="cpu", seed=3, progress=False)
    assert seen[:2] == seen[3:5]
    assert seen[2][1] == seen[5][1]
