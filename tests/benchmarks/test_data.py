"""The images that scripts train on, and that both ways of reading them give the same."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torchvision.datasets import MNIST

from benchmarks import data_path
from benchmarks.datasets import TorchvisionDigits, training_images
from practicezoo.data import synthetic_digits


def test_without_a_data_root_digits_are_drawn():
    digits, source = training_images(20)
    assert source == "synthetic_digits"
    assert torch.equal(digits.images, synthetic_digits(20, seed=0).images)


def test_a_data_root_without_images(tmp_path, monkeypatch):
    monkeypatch.setenv("PRACTICEZOO_DATA", str(tmp_path))
    assert training_images(20)[1] == "synthetic_digits"


@pytest.mark.realdata("MNIST/raw/train-images-idx3-ubyte.gz", "MNIST/raw/train-labels-idx1-ubyte.gz")
def test_the_first_images_of_the_data_root(data_root, monkeypatch):
    monkeypatch.setenv("PRACTICEZOO_DATA", str(data_root))
    digits, source = training_images(20)
    assert (source, len(digits), digits.mean) == ("MNIST", 20, 0.1307)
    assert digits.targets[:5].tolist() == [5, 0, 4, 1, 9]


def test_items_take_torchvisions_own_way():
    digits = synthetic_digits(5, seed=0)
    dataset = TorchvisionDigits(digits)
    assert len(dataset) == 5
    assert TorchvisionDigits.__getitem__ is MNIST.__getitem__
    images, targets = zip(*dataset, strict=True)
    assert torch.equal(torch.stack(images), digits.normalize(digits.images))
    assert list(targets) == digits.targets.tolist()
    dataset.transform = None
    assert isinstance(dataset[0][0], Image.Image)


def test_loaders_that_differ_are_not_compared(monkeypatch):
    digits = synthetic_digits(5, seed=0)
    data_path.check_equal(digits)
    monkeypatch.setattr(
        data_path, "TorchvisionDigits", lambda digits: TorchvisionDigits(replace(digits, mean=0.5))
    )
    with pytest.raises(RuntimeError, match="the loaders must give the same images, but they differ"):
        data_path.check_equal(digits)
