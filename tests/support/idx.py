"""Image data sets as the IDX files that torchvision downloads, small and random."""

import gzip
import struct

import torch

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "emnist": "EMNIST"}
PREFIXES = {"train": "train", "test": "t10k"}
NUM_IMAGES = {"train": 20, "test": 7}


def idx(tensor, *, shape=None, code=8):
    """The tensor as an IDX file."""
    shape = tensor.shape if shape is None else shape
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + tensor.to(torch.uint8).numpy().tobytes()


def make_images(name, split):
    """Random images ``(N, 28, 28)`` with labels, another set for each name and split."""
    generator = torch.Generator().manual_seed(len(name) + len(split))
    num_images = NUM_IMAGES[split]
    images = torch.randint(256, (num_images, 28, 28), dtype=torch.uint8, generator=generator)
    return images, torch.randint(1, 10, (num_images,), generator=generator)


def image_paths(root, name, split, *, emnist_split="balanced"):
    """Where images and labels lie when they are unpacked."""
    prefix = f"emnist-{emnist_split}-{split}" if name == "emnist" else PREFIXES[split]
    folder = root / FOLDERS[name] / "raw"
    return folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte"


def write_images(root, name, *, archives, splits=("train", "test"), emnist_split="balanced"):
    for split in splits:
        for path, tensor in zip(
            image_paths(root, name, split, emnist_split=emnist_split), make_images(name, split), strict=True
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
