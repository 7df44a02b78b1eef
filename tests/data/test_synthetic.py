"""What the seed alone decides: digits and tables, quick to draw and quick to learn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from practicezoo import Accuracy, LogisticRegression, TensorLoader, evaluate, fit
from practicezoo.data import NormalizeImages, synthetic_digits, synthetic_table


@given(st.integers(0, 70), st.integers(8, 40))
def test_shapes_and_balance(num_samples, image_size):
    digits = synthetic_digits(num_samples, seed=1, image_size=image_size)
    assert digits.images.shape == (num_samples, 1, image_size, image_size)
    assert digits.images.dtype == torch.uint8
    assert digits.targets.shape == (num_samples,)
    assert digits.targets.dtype == torch.int64
    assert digits.classes == list("0123456789")
    counts = digits.targets.bincount(minlength=10)
    assert counts.max() - counts.min() <= 1


def test_the_seed_decides_and_the_global_generator_stays():
    before = torch.get_rng_state()
    digits, again, other = (synthetic_digits(1500, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(digits.images, again.images)
    assert torch.equal(digits.targets, again.targets)
    assert not torch.equal(digits.images, other.images)
    assert not torch.equal(digits.targets, other.targets)


def test_no_two_images_are_alike_and_classes_are_mixed():
    digits = synthetic_digits(2000, seed=0)
    assert len(digits.images.flatten(1).unique(dim=0)) == 2000
    assert digits.targets[:100].bincount(minlength=10).max() < 30


def test_every_image_shows_something():
    images = synthetic_digits(2000, seed=0).images.float()
    assert (images > 127).sum(dim=(1, 2, 3)).min() > 10
    # away from the border, where there may be noise
    assert images.mean(dim=0).squeeze()[5:-5, 5:-5].mean() > 2 * images.mean(dim=0).squeeze()[:2].mean()


def test_the_mean_image_of_a_class_looks_like_its_glyph():
    digits = synthetic_digits(3000, seed=0)
    means = torch.stack([digits.images[digits.targets == digit].float().mean(dim=0) for digit in range(10)])
    middle = means[:, 0, 12:16, 12:16].mean(dim=(1, 2))
    assert middle[0] < middle[8]  # a zero is open in the middle, an eight is not
    assert means[7, 0, 5:10].mean() > means[7, 0, 18:23].mean()  # a seven is heavy at its top
    assert means[4, 0, :, 14:].mean() > means[4, 0, :, :14].mean()  # a four at its right


def test_its_mean_and_deviation():
    digits = synthetic_digits(10_000, seed=9)
    measured = NormalizeImages.from_images(digits.images)
    assert_close(
        torch.tensor([digits.mean, digits.std]),
        torch.tensor([*measured.mean, *measured.std]),
        atol=0.002,
        rtol=0,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": -1}, "num_samples must be at least 0, got -1"),
        ({"num_samples": 1, "image_size": 7}, "image_size must be at least 8, got 7"),
    ],
)
def test_numbers_of_samples_and_features_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic_digits(**arguments, seed=0)


def accuracy_of(model, *, epochs):
    """Trained on 10,000 images, on 2,000 others."""
    train, test = synthetic_digits(10_000, seed=0), synthetic_digits(2000, seed=1)
    options = {"batch_size": 64, "transform": train.normalize}
    fit(
        model,
        TensorLoader(*train.tensors(), shuffle=True, **options),
        criterion=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=3e-3),
        epochs=epochs,
        progress=False,
    )
    return evaluate(model, TensorLoader(*test.tensors(), **options), metrics={"accuracy": Accuracy()})[
        "accuracy"
    ]


@pytest.mark.slow
def test_a_small_network_learns_them_in_seconds():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    assert accuracy_of(model, epochs=3) > 0.97


@pytest.mark.slow
def test_a_linear_one_does_not():
    assert 0.8 < accuracy_of(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), epochs=3) < 0.93


@given(st.integers(0, 40), st.integers(1, 9))
def test_a_table_is_the_seeds_own_and_keeps_to_its_boundary(num_samples, num_features):
    before = torch.get_rng_state()
    features, targets = synthetic_table(num_samples, seed=1, num_features=num_features)
    assert torch.equal(torch.get_rng_state(), before)
    assert (features.shape, targets.shape) == ((num_samples, num_features), (num_samples, 1))
    assert features.dtype == targets.dtype == torch.float32
    assert torch.equal(features, synthetic_table(num_samples, seed=1, num_features=num_features)[0])
    signs = torch.tensor([1.0, -1.0] * 5)[:num_features]
    assert torch.equal(targets, ((features * signs).sum(dim=1, keepdim=True) > 0).float())


def test_a_table_fills_its_range_in_balance():
    features, targets = synthetic_table(10_000, seed=0)
    assert not torch.equal(features, synthetic_table(10_000, seed=1)[0])
    assert -1 <= features.min() < -0.99
    assert 0.99 < features.max() < 1
    assert_close(targets.mean(), torch.tensor(0.5), rtol=0, atol=0.02)


def test_a_logistic_regression_learns_a_table_and_its_signs():
    model = LogisticRegression(8)
    fit(
        model,
        TensorLoader(*synthetic_table(1000, seed=0), batch_size=50, shuffle=True),
        criterion=nn.BCEWithLogitsLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=0.1),
        epochs=20,
    )
    test = TensorLoader(*synthetic_table(1000, seed=1), batch_size=1000)
    assert evaluate(model, test, metrics={"accuracy": Accuracy()})["accuracy"] > 0.97
    assert model.weight.sign().tolist() == [[1, -1] * 4]


def test_wrong_tables():
    with pytest.raises(ValueError, match="num_samples must be at least 0, got -1"):
        synthetic_table(-1, seed=0)
    with pytest.raises(ValueError, match="num_features must be at least 1, got 0"):
        synthetic_table(3, seed=0, num_features=0)
