"""CIFAR-10 from torchvision's files."""

import pickle

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from practicezoo.data import NormalizeImages, load_cifar10

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two images in each of the data set's files, whose checksums are not looked at."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        pixels = generator.integers(256, size=(2, 3 * 32 * 32), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": [3, 9]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}))
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    return tmp_path


@pytest.mark.parametrize(("split", "count"), [("train", 10), ("test", 2)])
def test_images_are_torchvisions(split, count, root):
    loaded = load_cifar10(split, root=root, download=False)
    assert loaded.images.shape == (count, 3, 32, 32)
    assert loaded.images.dtype == torch.uint8
    assert loaded.images.is_contiguous()
    assert loaded.targets.tolist() == [3, 9] * (count // 2)
    assert loaded.classes == CLASSES
    expected = CIFAR10(str(root), train=split == "train")
    for index in (0, count - 1):
        image, _ = expected[index]
        assert np.array_equal(loaded.images[index].permute(1, 2, 0).numpy(), np.asarray(image))
    assert loaded.normalize(loaded.images).shape == loaded.images.shape
    assert repr(loaded.normalize) == repr(NormalizeImages((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)))


def test_missing_files_say_where_they_belong(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"cifar-10-batches-py must hold .*downloading is switched off"
    ):
        load_cifar10("train", root=tmp_path, download=False)


def test_a_failed_download_says_why(tmp_path, monkeypatch):
    def fail(self):
        raise OSError("no network")

    monkeypatch.setattr(CIFAR10, "download", fail)
    with pytest.raises(FileNotFoundError, match=r"the download failed: no network\. Copy them there"):
        load_cifar10("train", root=tmp_path)


def test_an_unknown_split():
    with pytest.raises(ValueError, match="split must be one of train, test, got 'val'"):
        load_cifar10("val")
