"""One clear message for each thing that may be wrong with an image file."""

import gzip
import os
from pathlib import Path

import pytest
import torch

from practicezoo.data import load_images
from support.idx import NUM_IMAGES, idx, make_images


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


IMAGES = idx(make_images("mnist", "train")[0])
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
