"""load_images: what the files hold, as they are."""

import gzip
import shutil
from collections import Counter

import pytest
import torch
from torch.testing import assert_close
from torchvision import datasets

from practicezoo.data import NormalizeImages, load_images
from support.idx import FOLDERS, NUM_IMAGES, idx, listing, make_images, write_images

REAL = [
    f"MNIST/raw/{p}-{kind}-ubyte.gz" for p in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]


class TestFiles:
    @pytest.mark.parametrize("archives", [True, False], ids=["gz", "unpacked"])
    @pytest.mark.parametrize("split", ["train", "test"])
    @pytest.mark.parametrize("name", list(FOLDERS))
    def test_images_and_targets_are_those_in_the_files(self, tmp_path, offline, name, split, archives):
        write_images(tmp_path, name, archives=archives)
        before = listing(tmp_path)
        loaded = load_images(name, split, root=tmp_path)
        images, targets = make_images(name, split)
        if name == "emnist":
            images = images.transpose(1, 2)
        assert_close(loaded.images, images.unsqueeze(1), rtol=0, atol=0)
        assert_close(loaded.targets, targets, rtol=0, atol=0)
        assert loaded.images.is_contiguous()
        assert len(loaded) == NUM_IMAGES[split]
        assert loaded.tensors()[0] is loaded.images
        assert loaded.tensors()[1] is loaded.targets
        assert offline == []
        assert listing(tmp_path) == before

    @pytest.mark.parametrize("name", list(FOLDERS))
    def test_it_equals_torchvision_on_unpacked_files(self, tmp_path, name):
        for split in ("train", "test"):
            write_images(tmp_path, name, archives=False)
            options = {"split": "balanced"} if name == "emnist" else {}
            peer = getattr(datasets, FOLDERS[name])(str(tmp_path), train=split == "train", **options)
            loaded = load_images(name, split, root=tmp_path, download=False)
            upright = peer.data.transpose(1, 2) if name == "emnist" else peer.data
            assert_close(loaded.images[:, 0], upright, rtol=0, atol=0)
            assert_close(loaded.targets, peer.targets, rtol=0, atol=0)
            assert loaded.classes == list(peer.classes)

    @pytest.mark.parametrize(
        ("emnist_split", "num_classes"),
        [("byclass", 62), ("bymerge", 47), ("balanced", 47), ("letters", 27), ("digits", 10), ("mnist", 10)],
    )
    def test_every_split_of_emnist(self, tmp_path, emnist_split, num_classes):
        write_images(tmp_path, "emnist", archives=True, emnist_split=emnist_split)
        loaded = load_images("emnist", "test", root=tmp_path, emnist_split=emnist_split)
        assert len(loaded.classes) == num_classes
        assert len(loaded) == NUM_IMAGES["test"]

    def test_the_environment_names_the_data_root(self, tmp_path, monkeypatch):
        write_images(tmp_path, "kmnist", archives=True)
        monkeypatch.setenv("PRACTICEZOO_DATA", str(tmp_path))
        assert len(load_images("kmnist", "train")) == NUM_IMAGES["train"]

    def test_unpacked_files_come_before_archives(self, mnist):
        root, images_path, _ = mnist
        images_path.with_suffix("").write_bytes(idx(torch.zeros(20, 28, 28)))
        assert not load_images("mnist", "train", root=root).images.any()

    def test_the_tensors_can_be_written(self, mnist):
        loaded = load_images("mnist", "train", root=mnist[0])
        loaded.images.zero_()
        loaded.targets.zero_()

    def test_no_images_at_all(self, mnist):
        root, images_path, labels_path = mnist
        images_path.write_bytes(gzip.compress(idx(torch.zeros(0, 28, 28))))
        labels_path.write_bytes(gzip.compress(idx(torch.zeros(0))))
        assert load_images("mnist", "train", root=root).images.shape == (0, 1, 28, 28)


class TestStatistics:
    @pytest.mark.parametrize(
        ("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)]
    )
    def test_the_usual_ones(self, tmp_path, name, mean, std):
        write_images(tmp_path, name, archives=True)
        for split in ("train", "test"):
            loaded = load_images(name, split, root=tmp_path)
            assert (loaded.mean, loaded.std) == (mean, std)
            assert loaded.normalize == NormalizeImages(mean, std)

    @pytest.mark.parametrize("name", ["kmnist", "emnist"])
    def test_or_those_of_the_training_images(self, tmp_path, name):
        write_images(tmp_path, name, archives=True)
        train = make_images(name, "train")[0].double() / 255
        for split in ("train", "test"):
            loaded = load_images(name, split, root=tmp_path)
            assert loaded.mean == round(train.mean().item(), 4)
            assert loaded.std == round(train.std(correction=0).item(), 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifar", "train"), "name must be one of mnist, fashion_mnist, kmnist, emnist, got 'cifar'"),
        (("mnist", "val"), "split must be one of train, test, got 'val'"),
        (("mnist", True), "split must be one of train, test, got True"),
    ],
)
def test_data_sets_and_splits_that_are_unknown_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_images(*arguments)


def test_a_wrong_split_of_emnist():
    with pytest.raises(ValueError, match=r"emnist_split must be one of byclass, .*, mnist, got 'upper'"):
        load_images("emnist", "train", emnist_split="upper")


@pytest.mark.realdata(*REAL)
class TestMNIST:
    """The original archives, read from where they lie."""

    @pytest.fixture(autouse=True)
    def untouched(self, data_root):
        before = listing(data_root)
        yield
        assert listing(data_root) == before

    @pytest.mark.parametrize(
        ("split", "counts"),
        [
            ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
            ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        ],
    )
    def test_shapes_and_label_counts(self, data_root, offline, split, counts):
        loaded = load_images("mnist", split, root=data_root)
        assert loaded.images.shape == (sum(counts), 1, 28, 28)
        assert loaded.images.dtype == torch.uint8
        assert loaded.targets.dtype == torch.int64
        assert Counter(loaded.targets.tolist()) == dict(enumerate(counts))
        assert loaded.classes[7] == "7 - seven"
        assert offline == []

    def test_mean_and_deviation(self, data_root):
        train = load_images("mnist", "train", root=data_root)
        measured = NormalizeImages.from_images(train.images)
        assert measured.mean[0] == pytest.approx(0.1306605, abs=5e-8)
        assert measured.std[0] == pytest.approx(0.3081078, abs=5e-8)
        assert (train.mean, train.std) == (round(measured.mean[0], 4), round(measured.std[0], 4))

    def test_it_equals_torchvision_on_a_copy(self, data_root, tmp_path):
        shutil.copytree(data_root / "MNIST", tmp_path / "MNIST")
        peer = datasets.MNIST(str(tmp_path), train=False, download=True)  # unpacks, with no network
        loaded = load_images("mnist", "test", root=data_root)
        assert torch.equal(loaded.images[:, 0], peer.data)
        assert torch.equal(loaded.targets, peer.targets)


@pytest.mark.realdata("FashionMNIST/raw/train-images-idx3-ubyte.gz")
def test_the_statistics_of_fashion_mnist(data_root):
    train = load_images("fashion_mnist", "train", root=data_root, download=False)
    measured = NormalizeImages.from_images(train.images)
    assert (train.mean, train.std) == (round(measured.mean[0], 4), round(measured.std[0], 4))
