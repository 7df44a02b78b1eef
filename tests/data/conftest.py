"""What the tests of files share: writing one, a data root with archives, a network that fails."""

from urllib.error import URLError

import pytest

from support.idx import image_paths, write_images


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
    write_images(tmp_path, "mnist", archives=True)
    return tmp_path, *(path.with_name(f"{path.name}.gz") for path in image_paths(tmp_path, "mnist", "train"))


@pytest.fixture
def write(tmp_path):
    """Writes a file of these bytes (or UTF-8 text) and returns its path."""

    def write(content, name="names.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
