"""What is missing is downloaded by torchvision; without a network the message says what to do."""

import os
import re
import shutil
from pathlib import Path

import pytest
from torch.testing import assert_close

from practicezoo.data import load_images
from support.idx import FOLDERS, image_paths, make_images, write_images


class TestDownload:
    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
    def test_what_is_missing_is_downloaded_by_torchvision(self, tmp_path, monkeypatch, name):
        elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
        root.mkdir()
        write_images(elsewhere, name, archives=False)

        def fetch(url, download_root, filename, md5):
            unpacked = filename.removesuffix(".gz")
            shutil.copy(elsewhere / FOLDERS[name] / "raw" / unpacked, download_root)

        monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
        loaded = load_images(name, "test", root=root)
        assert_close(loaded.images[:, 0], make_images(name, "test")[0], rtol=0, atol=0)
        monkeypatch.undo()
        assert_close(load_images(name, "test", root=root).images, loaded.images, rtol=0, atol=0)

    def test_emnist_is_turned_upright_after_a_download_too(self, tmp_path, monkeypatch):
        def fetch(url, download_root, md5):
            folder = Path(download_root) / "gzip"
            folder.mkdir()
            write_images(tmp_path / "elsewhere", "emnist", archives=True)
            for path in (tmp_path / "elsewhere" / "EMNIST" / "raw").iterdir():
                shutil.copy(path, folder)

        monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fetch)
        (tmp_path / "root").mkdir()
        loaded = load_images("emnist", "test", root=tmp_path / "root")
        assert_close(loaded.images[:, 0], make_images("emnist", "test")[0].mT, rtol=0, atol=0)

    @pytest.mark.parametrize("name", list(FOLDERS))
    def test_no_network(self, tmp_path, offline, name):
        missing = [path.name for path in image_paths(tmp_path, name, "train")]
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
