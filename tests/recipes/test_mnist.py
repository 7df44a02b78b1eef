"""The digit recipes: data by name, one command from images to figures, pictures of one's own."""

import dataclasses
import gzip
import struct
from typing import Any

import pytest
import torch
from PIL import Image

from practicezoo.cli import main
from practicezoo.data import NormalizeImages, RandomShift, synthetic_digits
from practicezoo.predictors import load
from practicezoo.recipes import DataOptions, get_recipe, list_recipes, load_trained, train_recipe
from practicezoo.recipes.systems.mnist import MnistMLP, MnistRecipe
from practicezoo.training import load_checkpoint
from support.slow import slow_unless

SYNTHETIC = DataOptions(dataset="synthetic")
NAMES = [name for name in list_recipes() if isinstance(get_recipe(name), MnistRecipe)]


@pytest.fixture(autouse=True, scope="module")
def small():
    """A few hundred drawn digits instead of thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("practicezoo.recipes.systems.mnist.NUM_SYNTHETIC", {"train": 600, "test": 100})
        yield


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = get_recipe("mnist_mlp")
    return folder, train_recipe(recipe, folder, setting="course", data=SYNTHETIC, epochs=3, device="cpu")


@pytest.mark.parametrize("name", slow_unless(NAMES, {"mnist_mlp", "mnist_tiny"}))
def test_every_setting_trains_measures_and_loads_again(name, tmp_path):
    recipe = get_recipe(name)
    for setting in recipe.settings:
        folder = tmp_path / setting
        result = train_recipe(recipe, folder, setting=setting, data=SYNTHETIC, epochs=1, device="cpu")
        model, state = load_trained(recipe, folder / "checkpoint.pt", device="cpu")
        splits = recipe.load(SYNTHETIC, seed=0)
        assert recipe.measure(model, splits)["test_accuracy"] == pytest.approx(
            result.figures["test_accuracy"], abs=0.011
        )
        assert state["data"] == "synthetic"


COURSE = [name for name in NAMES if "course" in get_recipe(name).settings]


@pytest.mark.parametrize("name", COURSE)
def test_the_courses_numbers(name):
    course = get_recipe(name).settings["course"]
    optimizer = course.optimizer([torch.nn.Parameter(torch.zeros(1))])
    expected = {
        "mnist_mlp": ("Adam", 64, 10),
        "mnist_cnn": ("Adam", 128, 5),
        "mnist_inception": ("SGD", 64, 10),
        "mnist_resnet": ("SGD", 64, 10),
        "mnist_resnet_notes": ("Adam", 128, 10),
    }[name]
    assert (type(optimizer).__name__, course.batch_size, course.epochs) == expected
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert optimizer.param_groups[0].get("momentum", 0.5) == 0.5
    assert course.transform is None
    assert course.held_out == 0  # on all of the training images, as the course does


@pytest.mark.parametrize("name", COURSE)
def test_tuned_keeps_the_architecture_and_takes_ten_epochs_at_most(name):
    tuned = get_recipe(name).settings["tuned"]
    assert tuned.model_overrides == {}
    assert tuned.epochs <= 10


def test_without_validation_the_last_epoch_counts(trained):
    folder, result = trained
    assert load_checkpoint(folder / "checkpoint.pt")["epoch"] == 3
    assert list(result.history) == ["train_loss", "learning_rate", "seconds"]
    assert "best_epoch" not in result.figures
    assert result.figures["test_accuracy"] > 0.3  # ten classes
    assert 0 < result.figures["training_seconds"] <= result.figures["seconds"]
    assert (folder / "curve.png").stat().st_size > 0


def test_a_setting_may_hold_out_images_to_choose_the_epoch(tmp_path, monkeypatch):
    setting = dataclasses.replace(MnistMLP.settings["course"], held_out=0.1)
    monkeypatch.setattr(MnistMLP, "settings", {"course": setting})
    recipe = get_recipe("mnist_mlp")
    result = train_recipe(recipe, tmp_path, setting="course", data=SYNTHETIC, epochs=2, device="cpu")
    best = result.history.best("val_accuracy")
    assert (result.figures["best_epoch"], result.figures["val_accuracy"]) == best
    assert load_checkpoint(tmp_path / "checkpoint.pt")["epoch"] == best.epoch


def test_training_images_are_augmented_first_and_all_are_normalised(tmp_path, monkeypatch):
    seen: dict[str, list[Any]] = {"shift": [], "normalize": []}

    def spy(kind, call):
        def spied(self, images):
            seen[kind].append((images.dtype, len(images)))
            return call(self, images)

        return spied

    monkeypatch.setattr(RandomShift, "__call__", spy("shift", RandomShift.__call__))
    monkeypatch.setattr(NormalizeImages, "__call__", spy("normalize", NormalizeImages.__call__))
    train_recipe(get_recipe("mnist_mlp"), tmp_path, data=SYNTHETIC, epochs=1, device="cpu")
    assert sum(size for _, size in seen["shift"]) == 600
    assert sum(size for _, size in seen["normalize"]) == 600 + 100
    assert {dtype for calls in seen.values() for dtype, _ in calls} == {torch.uint8}


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.numpy().tobytes()))


@pytest.mark.parametrize(("dataset", "folder"), [(None, "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_a_data_root_with_archives_is_read(dataset, folder, tmp_path):
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    digits = synthetic_digits(50, seed=0)
    for prefix in ("train", "t10k"):
        write_idx(raw / f"{prefix}-images-idx3-ubyte.gz", digits.images.squeeze(1))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", digits.targets.to(torch.uint8))
    splits = get_recipe("mnist_cnn").load(DataOptions(root=tmp_path, dataset=dataset), seed=0)
    assert splits.source == (dataset or "mnist")
    assert torch.equal(splits.train[0], digits.images)
    assert len(splits.classes) == 10


def test_absent_data_says_what_to_put_where_and_mentions_synthetic(tmp_path, capsys):
    (tmp_path / "MNIST").touch()  # no folder, so nothing can be downloaded into it
    assert main(["train", "mnist_cnn", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "train-images-idx3-ubyte" in line
    assert str(tmp_path / "MNIST" / "raw") in line
    assert "--dataset synthetic" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mnist_mlp", "--dataset", "cifar"],
            "dataset must be one of mnist, fashion_mnist, kmnist, synthetic for mnist_mlp, got 'cifar'",
        ),
        (
            ["names_gru", "--dataset", "mnist"],
            "dataset must be one of course names, mini names for names_gru, got 'mnist'",
        ),
        (["mnist_mlp", "--train-csv", "a.csv"], "train_csv and test_csv must be left out for mnist_mlp"),
        (
            ["mnist_mlp", "--setting", "bestest"],
            "setting must be one of course, lecture, tuned, best for mnist_mlp, got 'bestest'",
        ),
    ],
)
def test_what_a_recipe_does_not_have_is_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_evaluate_measures_on_the_data_set_of_the_checkpoint(trained, capsys):
    folder, result = trained
    assert main(["evaluate", "mnist_mlp", "--checkpoint", str(folder / "checkpoint.pt")]) == 0
    accuracy = result.figures["test_accuracy"]
    assert capsys.readouterr().out == f"data: synthetic\ntest_accuracy: {accuracy:.4f}\n"


def test_predict_reads_pictures(trained, tmp_path, capsys):
    folder, _ = trained
    digits = synthetic_digits(3, seed=5)
    paths = [str(tmp_path / f"{index}.png") for index in range(3)]
    for path, image in zip(paths, digits.images, strict=True):
        Image.fromarray(image[0].numpy()).save(path)
    predictor = load(folder / "checkpoint.pt")
    logits = predictor.model(digits.normalize(digits.images))
    predictions = predictor(paths, top=10)
    for prediction, row in zip(predictions, logits, strict=True):
        assert prediction.ranking[0][0] == digits.classes[row.argmax()]
        assert dict(prediction.ranking)["3"] == pytest.approx(row.softmax(0)[3].item(), abs=1e-5)
    assert main(["predict", "mnist_mlp", "--checkpoint", str(folder / "checkpoint.pt"), *paths]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith(paths[2])


@pytest.mark.slow
@pytest.mark.realdata("MNIST/raw/train-images-idx3-ubyte.gz", "MNIST/raw/t10k-images-idx3-ubyte.gz")
def test_one_epoch_on_real_digits_learns(tmp_path, data_root):
    options = DataOptions(root=data_root)
    result = train_recipe(
        get_recipe("mnist_cnn"), tmp_path, setting="course", data=options, epochs=1, device="cpu"
    )
    assert result.figures["data"] == "mnist"
    assert result.figures["test_accuracy"] > 0.965  # a plain loop has 97.8 % after one epoch


@pytest.mark.parametrize(("fast", "precision"), [(True, "bf16"), (False, "fp32")])
def test_the_fast_recipe_leaves_bfloat16_where_it_is_emulated(fast, precision, monkeypatch):
    monkeypatch.setattr("practicezoo.recipes.systems.images.bf16_is_fast", lambda: fast)
    recipe = get_recipe("mnist_fast")
    assert recipe.setting_for(recipe.load(SYNTHETIC, seed=0), "tuned").precision == precision
