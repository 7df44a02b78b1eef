"""load_images: what the files hold, as they are; and one clear message for each thing wrong with them."""

import gzip
import multiprocessing
import os
import pickle
import re
import shutil
import struct
from collections import Counter
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from torchvision import datasets

from practicezoo import CNN, TensorLoader, fit
from practicezoo.data import ImageTensors, NormalizeImages, load_images, synthetic_digits

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "emnist": "EMNIST"}
PREFIXES = {"train": "train", "test": "t10k"}
REAL = [
    f"MNIST/raw/{p}-{kind}-ubyte.gz" for p in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
]
NUM_IMAGES = {"train": 20, "test": 7}

without_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)
# Python's own, from 3.12 on: torch's workers hold no lock that matters here
ignore_fork_with_threads = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def idx(tensor, *, shape=None, code=8):
    """The tensor as an IDX file."""
    shape = tensor.shape if shape is None else shape
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + tensor.to(torch.uint8).numpy().tobytes()


def make(name, split):
    """Random images ``(N, 28, 28)`` with labels, another set for each name and split."""
    generator = torch.Generator().manual_seed(len(name) + len(split))
    num_images = NUM_IMAGES[split]
    images = torch.randint(256, (num_images, 28, 28), dtype=torch.uint8, generator=generator)
    return images, torch.randint(1, 10, (num_images,), generator=generator)


def paths(root, name, split, *, emnist_split="balanced"):
    """Where images and labels lie when they are unpacked."""
    prefix = f"emnist-{emnist_split}-{split}" if name == "emnist" else PREFIXES[split]
    folder = root / FOLDERS[name] / "raw"
    return folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte"


def write(root, name, *, archives, splits=("train", "test"), emnist_split="balanced"):
    for split in splits:
        for path, tensor in zip(
            paths(root, name, split, emnist_split=emnist_split), make(name, split), strict=True
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            if archives:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(tensor)))
            else:
                path.write_bytes(idx(tensor))


def listing(root):
    """Every file below, with its size and times."""
    return {
        path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for path in sorted(root.rglob("*"))
        for status in [path.stat()]
    }


@pytest.fixture
def offline(monkeypatch):
    """No network: torchvision's downloads fail."""
    tried = []

    def fail(url, **arguments):
        tried.append(url)
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fail)
    return tried


@pytest.fixture
def mnist(tmp_path):
    """A data root with MNIST's archives, and the paths of the training split's two."""
    write(tmp_path, "mnist", archives=True)
    return tmp_path, *(path.with_name(f"{path.name}.gz") for path in paths(tmp_path, "mnist", "train"))


class TestFiles:
    @pytest.mark.parametrize("archives", [True, False], ids=["gz", "unpacked"])
    @pytest.mark.parametrize("split", ["train", "test"])
    @pytest.mark.parametrize("name", list(FOLDERS))
    def test_images_and_targets_are_those_in_the_files(self, tmp_path, offline, name, split, archives):
        write(tmp_path, name, archives=archives)
        before = listing(tmp_path)
        loaded = load_images(name, split, root=tmp_path)
        images, targets = make(name, split)
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
            write(tmp_path, name, archives=False)
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
        write(tmp_path, "emnist", archives=True, emnist_split=emnist_split)
        loaded = load_images("emnist", "test", root=tmp_path, emnist_split=emnist_split)
        assert len(loaded.classes) == num_classes
        assert len(loaded) == NUM_IMAGES["test"]

    def test_the_environment_names_the_data_root(self, tmp_path, monkeypatch):
        write(tmp_path, "kmnist", archives=True)
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
        write(tmp_path, name, archives=True)
        for split in ("train", "test"):
            loaded = load_images(name, split, root=tmp_path)
            assert (loaded.mean, loaded.std) == (mean, std)
            assert loaded.normalize == NormalizeImages(mean, std)

    @pytest.mark.parametrize("name", ["kmnist", "emnist"])
    def test_or_those_of_the_training_images(self, tmp_path, name):
        write(tmp_path, name, archives=True)
        train = make(name, "train")[0].double() / 255
        for split in ("train", "test"):
            loaded = load_images(name, split, root=tmp_path)
            assert loaded.mean == round(train.mean().item(), 4)
            assert loaded.std == round(train.std(correction=0).item(), 4)


class TestDownload:
    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
    def test_what_is_missing_is_downloaded_by_torchvision(self, tmp_path, monkeypatch, name):
        elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
        root.mkdir()
        write(elsewhere, name, archives=False)

        def fetch(url, download_root, filename, md5):
            unpacked = filename.removesuffix(".gz")
            shutil.copy(elsewhere / FOLDERS[name] / "raw" / unpacked, download_root)

        monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
        loaded = load_images(name, "test", root=root)
        assert_close(loaded.images[:, 0], make(name, "test")[0], rtol=0, atol=0)
        monkeypatch.undo()
        assert_close(load_images(name, "test", root=root).images, loaded.images, rtol=0, atol=0)

    def test_emnist_is_turned_upright_after_a_download_too(self, tmp_path, monkeypatch):
        def fetch(url, download_root, md5):
            folder = Path(download_root) / "gzip"
            folder.mkdir()
            write(tmp_path / "elsewhere", "emnist", archives=True)
            for path in (tmp_path / "elsewhere" / "EMNIST" / "raw").iterdir():
                shutil.copy(path, folder)

        monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
        (tmp_path / "root").mkdir()
        loaded = load_images("emnist", "test", root=tmp_path / "root")
        assert_close(loaded.images[:, 0], make("emnist", "test")[0].mT, rtol=0, atol=0)

    @pytest.mark.parametrize("name", list(FOLDERS))
    def test_no_network(self, tmp_path, offline, name):
        missing = [path.name for path in paths(tmp_path, name, "train")]
        with pytest.raises(
            FileNotFoundError,
            match=rf"{FOLDERS[name]}/raw must hold {missing[0]} and {missing[1]}, as they are or as \.gz "
            r"archives; they are not there and the download failed: .*Name or service not known.*\. "
            r"Copy them there, or name a data root that has them \(--data or PRACTICEZOO_DATA\), or do "
            r"without them \(--dataset synthetic, in Python synthetic_digits\)",
        ):
            load_images(name, "train", root=tmp_path)
        assert offline

    def test_only_what_is_missing_is_named(self, mnist, offline):
        root, images_path, labels_path = mnist
        labels_path.unlink()
        with pytest.raises(FileNotFoundError, match="raw must hold train-labels-idx1-ubyte, as") as caught:
            load_images("mnist", "train", root=root)
        assert "train-images-idx3-ubyte and" not in str(caught.value)
        assert images_path.exists()

    @pytest.mark.parametrize("below", ["MNIST/raw", "MNIST"])
    def test_a_root_below_the_data_root_is_told_the_right_one(self, mnist, offline, below):
        root, *_ = mnist
        message = (
            f"the data root must be the folder that holds MNIST/raw, got {root / below}, and "
            f"{root}/MNIST/raw has the files: give {root}"
        )
        with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
            load_images("mnist", "train", root=root / below)
        assert offline == []

    def test_files_that_lie_at_the_data_root_itself(self, mnist, offline):
        root, *_ = mnist
        (root / "MNIST" / "raw").rename(root / "digits")
        message = rf"and {root}/digits has the files: move them to {root}/digits/MNIST/raw$"
        with pytest.raises(FileNotFoundError, match=message):
            load_images("mnist", "train", root=root / "digits")

    def test_max_bytes(self, mnist):
        message = r"must unpack to at most 100 bytes, got .* \(if that is right, raise max_bytes, or unpack"
        with pytest.raises(ValueError, match=message):
            load_images("mnist", "train", root=mnist[0], max_bytes=100)

    def test_downloading_is_switched_off(self, tmp_path, offline):
        with pytest.raises(FileNotFoundError, match="they are not there and downloading is switched off"):
            load_images("mnist", "test", root=tmp_path, download=False)
        assert offline == []
        assert list(tmp_path.iterdir()) == []

    def test_a_data_root_that_cannot_be_written(self, tmp_path, monkeypatch):
        def refuse(path, **options):
            raise PermissionError(f"[Errno 13] Permission denied: '{path}'")

        monkeypatch.setattr(os, "makedirs", refuse)
        with pytest.raises(FileNotFoundError, match=r"the download failed: .*Permission denied"):
            load_images("mnist", "test", root=tmp_path)

    @pytest.mark.parametrize("error", [TimeoutError(), EOFError("cut short")])
    def test_a_connection_that_breaks(self, tmp_path, monkeypatch, error):
        def fail(url, **arguments):
            raise error

        monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fail)
        with pytest.raises(FileNotFoundError, match=r"the download failed: (TimeoutError|cut short)"):
            load_images("emnist", "test", root=tmp_path)

    def test_a_data_root_that_is_none(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"the data root must be a folder, got .*nowhere"):
            load_images("mnist", "train", root=tmp_path / "nowhere")


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


IMAGES = idx(make("mnist", "train")[0])
PACKED = gzip.compress(IMAGES)
DAMAGED = {
    "truncated": (PACKED[:-2000], "must be a whole gzip archive: Compressed file ended"),
    "truncated-checksum": (PACKED[:-3], "must be a whole gzip archive: Compressed file ended"),
    "flipped": (flip(PACKED, len(PACKED) // 2), "must be a whole gzip archive: (CRC|Error)"),
    "checksum": (flip(PACKED, -8 % len(PACKED)), "must be a whole gzip archive: CRC check failed"),
    "web-page": (b"<!doctype html>", "must be a whole gzip archive: Not a gzipped file"),
    "empty": (b"", "must be an IDX file of bytes in 3 .* 00000803, got one that starts with nothing"),
    "text": (gzip.compress(b"hello"), "must be an IDX file .* got one that starts with 68656c6c"),
    "labels": (
        gzip.compress(idx(torch.zeros(20))),
        "must be an IDX file .* got one that starts with 00000801",
    ),
    "floats": (
        gzip.compress(idx(torch.zeros(1, 28, 28), code=13)),
        "must be an IDX file .* starts with 00000d03",
    ),
    "header-only": (
        gzip.compress(IMAGES[:10]),
        "must be an IDX file .* got one that starts with 00000803 and has a header of 10",
    ),
    "cut": (
        gzip.compress(IMAGES[:-1]),
        r"must hold the 15680 bytes of shape \(20, 28, 28\) that its header promises, got 15679",
    ),
    "too-long": (gzip.compress(IMAGES + b"\0"), r"must hold the 15680 bytes .* got more"),
    "huge": (
        gzip.compress(idx(torch.zeros(2), shape=(2**32 - 1, 2**32 - 1, 2**32 - 1))),
        r"must unpack to at most 1073741824 bytes, got a header that promises 79228162458924105385300197375",
    ),
}


class TestDamage:
    @pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
    def test_a_damaged_archive(self, mnist, offline, content, message):
        root, images_path, _ = mnist
        images_path.write_bytes(content)
        with pytest.raises(
            ValueError,
            match=rf"MNIST/raw/train-images-idx3-ubyte\.gz: the file {message}.* "
            r"\(replace it, or delete it to have it downloaded again\)",
        ):
            load_images("mnist", "train", root=root)
        assert images_path.read_bytes() == content
        assert offline == []

    def test_a_damaged_unpacked_file(self, mnist):
        root, images_path, _ = mnist
        images_path.with_suffix("").write_bytes(IMAGES[:-5])
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte: the file must hold the 15680 bytes"):
            load_images("mnist", "train", root=root)

    def test_images_of_another_size(self, mnist):
        root, images_path, _ = mnist
        images_path.write_bytes(gzip.compress(idx(torch.zeros(20, 14, 56))))
        with pytest.raises(
            ValueError, match=r"images-idx3-ubyte: the images must be 28x28, got shape \(20, 14, 56\)"
        ):
            load_images("mnist", "train", root=root)

    def test_images_and_labels_that_differ_in_number(self, mnist):
        root, _, labels_path = mnist
        labels_path.write_bytes(gzip.compress(idx(torch.zeros(19))))
        with pytest.raises(
            ValueError,
            match=r"train-labels-idx1-ubyte: there must be a label for each of the 20 images in "
            r"train-images-idx3-ubyte, got 19",
        ):
            load_images("mnist", "train", root=root)

    def test_a_label_out_of_range(self, mnist):
        root, _, labels_path = mnist
        labels = torch.zeros(20)
        labels[[4, 9]] = torch.tensor([10.0, 255.0])
        labels_path.write_bytes(gzip.compress(idx(labels)))
        with pytest.raises(
            ValueError, match="train-labels-idx1-ubyte: labels must be below 10, got 10 at index 4"
        ):
            load_images("mnist", "train", root=root)

    def test_a_file_without_permission(self, mnist, monkeypatch, offline):
        # simulated, because the superuser may read everything
        def refuse(path, mode):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(
            PermissionError,
            match="MNIST/raw/train-images-idx3-ubyte must be readable, but the permission is denied: "
            "change that, or choose another data root",
        ):
            load_images("mnist", "train", root=mnist[0])
        assert offline == []

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
    )
    @pytest.mark.parametrize("locked", ["file", "folder"])
    def test_a_file_that_is_locked(self, mnist, offline, locked):
        root, images_path, _ = mnist
        place = images_path if locked == "file" else images_path.parent
        mode = place.stat().st_mode
        place.chmod(0)
        try:
            with pytest.raises(PermissionError, match=r"train-images-idx3-ubyte\S* must be readable, but"):
                load_images("mnist", "train", root=root)
        finally:
            place.chmod(mode)
        assert offline == []

    def test_a_folder_in_the_place_of_a_file(self, mnist, offline):
        root, images_path, _ = mnist
        images_path.with_suffix("").mkdir()  # as some archives unpack
        assert len(load_images("mnist", "train", root=root)) == NUM_IMAGES["train"]
        images_path.unlink()
        with pytest.raises(FileNotFoundError, match="raw must hold train-images-idx3-ubyte, as they are or"):
            load_images("mnist", "train", root=root, download=False)


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


def test_they_can_be_sent_to_a_worker():
    digits = synthetic_digits(5, seed=0)
    copied = pickle.loads(pickle.dumps(digits))  # noqa: S301
    assert isinstance(copied, ImageTensors)
    assert torch.equal(copied.images, digits.images)
    assert copied.normalize == digits.normalize


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=without_fork), pytest.param("spawn", marks=pytest.mark.slow)]
)
@ignore_fork_with_threads
def test_fit_on_a_dataloader_with_workers_is_fit_on_a_tensor_loader(method):
    digits = synthetic_digits(40, seed=0)
    dataset = TensorDataset(digits.normalize(digits.images), digits.targets)
    workers = DataLoader(
        dataset,
        batch_size=16,
        sampler=DistributedSampler(dataset, num_replicas=1, rank=0, seed=3),
        num_workers=2,
        multiprocessing_context=method,
    )
    tensors = TensorLoader(*digits.tensors(), batch_size=16, shuffle=True, seed=3, transform=digits.normalize)
    models, losses = [], []
    for loader in (workers, tensors):
        torch.manual_seed(0)
        models.append(CNN())
        history = fit(
            models[-1],
            loader,
            criterion=nn.CrossEntropyLoss(),
            optimizer=torch.optim.SGD(models[-1].parameters(), lr=0.1),
            epochs=2,
            progress=False,
        )
        losses.append(history["train_loss"])
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]
    assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)


@pytest.mark.slow
def test_a_dataloader_with_spawned_workers_gives_the_same_batches():
    digits = synthetic_digits(50, seed=0)
    workers = DataLoader(
        TensorDataset(*digits.tensors()), batch_size=16, num_workers=2, multiprocessing_context="spawn"
    )
    batches = TensorLoader(*digits.tensors(), batch_size=16)
    for (images, targets), (expected_images, expected_targets) in zip(workers, batches, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(targets, expected_targets)


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
