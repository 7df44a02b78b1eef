"""MNIST-1D, number for number that of its own package."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from practicezoo.data import mnist1d, mnist1d_signals

WITHOUT_PACKAGE = importlib.util.find_spec("mnist1d") is None
# of the first training signal and the last test signal, as the package makes them
GOLDEN = {
    ("train", 0): (2, [-0.332006, 0.683078, 0.254108, 0.098056, -1.093486]),
    ("test", -1): (4, [-0.519329, -0.139493, -0.689318, -0.327938, -0.540012]),
}


@pytest.fixture(scope="module")
def splits():
    return {split: mnist1d_signals(split) for split in ("train", "test")}


def test_shapes_and_types(splits):
    for split, num_signals in (("train", 4000), ("test", 1000)):
        signals, targets = splits[split]
        assert (signals.shape, signals.dtype) == ((num_signals, 40, 1), torch.float32)
        assert (targets.shape, targets.dtype) == ((num_signals,), torch.int64)
    assert torch.cat([splits["train"][1], splits["test"][1]]).bincount().tolist() == [500] * 10


def test_all_signals_together_are_standardised(splits):
    signals = torch.cat([splits["train"][0], splits["test"][0]]).double()
    assert_close(signals.mean().item(), 0.0, rtol=0, atol=1e-6)
    assert_close(signals.std(correction=0).item(), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("split", "place"), GOLDEN)
def test_golden_values(splits, split, place):
    signals, targets = splits[split]
    target, values = GOLDEN[split, place]
    assert targets[place] == target
    assert_close(signals[place, ::8, 0], torch.tensor(values), rtol=0, atol=1e-6)


def test_the_targets_are_in_the_published_order(splits):
    targets = torch.cat([splits["train"][1], splits["test"][1]])
    assert hashlib.sha256(bytes(targets.tolist())).hexdigest()[:16] == "4f5f4160c519e3c4"


@pytest.mark.skipif(WITHOUT_PACKAGE, reason="the package is missing: pip install mnist1d")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what it imports
@pytest.mark.parametrize(("num_samples", "seed"), [(5000, 42), (50, 7)])
def test_every_number_is_the_packages(num_samples, seed):
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples, arguments.seed = num_samples, seed
    state = np.random.get_state()  # noqa: NPY002 - the package seeds the global generator
    try:
        theirs = make_dataset(arguments)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    for split, suffix in (("train", ""), ("test", "_test")):
        signals, targets = mnist1d_signals(split, num_samples=num_samples, seed=seed)
        assert torch.equal(signals[..., 0], torch.from_numpy(theirs["x" + suffix]).float())
        assert targets.tolist() == theirs["y" + suffix].tolist()


def test_the_global_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mnist1d_signals("train", num_samples=20)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_another_seed_gives_other_signals():
    one, same, other = (mnist1d_signals("test", num_samples=20, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_users_default_dtype_and_device_do_not_matter():
    expected = mnist1d_signals("test", num_samples=20)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = mnist1d_signals("test", num_samples=20)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_close(found, expected, rtol=0, atol=0)


def test_noise_is_smoothed_by_a_gaussian_over_its_mirror_image():
    impulse = np.zeros(72)
    impulse[0] = 1.0
    smooth = mnist1d._smooth(impulse)
    weights = np.exp(-0.125 * np.arange(-8, 9) ** 2.0)
    weights /= weights.sum()
    assert_close(smooth[0], weights[8] + weights[7])  # the value itself, and its image beside it
    assert_close(smooth[:9].sum() + 0.0, 1.0)
    assert not smooth[9:].any()


def test_the_licence_of_its_makers_comes_along():
    licence = Path(mnist1d.__file__).with_name("assets") / "mnist1d-LICENSE.txt"
    assert "Apache License" in licence.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "validation"}, "split must be one of train, test, got 'validation'"),
        ({"num_samples": 5}, "num_samples must be at least 10, got 5"),
        ({"num_samples": 101}, "num_samples must be a multiple of 10, got 101"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        mnist1d_signals(**{"split": "train", **arguments})
