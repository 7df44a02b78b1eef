"""What every test shares: a fixed seed, reproducible property tests, the real data."""

import os
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# derandomized: a red run is red again; no deadline: the first call of a torch function may be slow
settings.register_profile("practicezoo", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("practicezoo")

# models this small are slower on several threads, and many times slower on a busy machine
torch.set_num_threads(1)


# only tests that ask for the real data get it; the others train on what comes along
# kept under another name, which the worker processes of pytest-xdist inherit
if "PRACTICEZOO_DATA" in os.environ:
    os.environ["PRACTICEZOO_TEST_DATA"] = os.environ.pop("PRACTICEZOO_DATA")
REAL_DATA = os.environ.get("PRACTICEZOO_TEST_DATA")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def data_root(request):
    """The folder of the real data.

    The test names the files it reads: ``@pytest.mark.realdata("course/names_train.csv.gz")``.
    """
    marker = request.node.get_closest_marker("realdata")
    assert marker is not None, "a test that reads real data is marked with realdata and its files"
    if REAL_DATA is None:
        pytest.skip(f"PRACTICEZOO_DATA is not set, so there is no {', '.join(marker.args)}")
    root = Path(REAL_DATA)
    for name in marker.args:
        if not (root / name).is_file():
            pytest.skip(f"PRACTICEZOO_DATA lacks {root / name}")
    return root


@pytest.fixture
def cuda():
    """The CUDA device, computing in full float32."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    before = _allow_tf32(False, False)
    yield torch.device("cuda")
    _allow_tf32(*before)


@pytest.fixture
def never_waiting(cuda):
    """Makes a context in which whatever waits for the device is an error."""

    @contextmanager
    def context():
        with warnings.catch_warnings(action="ignore"):  # torch calls the mode a prototype
            torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return context


def _allow_tf32(matmul, cudnn):
    """Set both switches; returns what they were."""
    with warnings.catch_warnings(action="ignore"):  # some versions of torch announce another way to set them
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    return before
