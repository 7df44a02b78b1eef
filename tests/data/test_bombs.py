"""Archives that unpack to more than they should are read no further."""

import gzip
import struct
import time
import tracemalloc

import pytest

from practicezoo import DiabetesDataset, NameDataset
from practicezoo.data import CSVDataset
from practicezoo.data.idx import read_idx

MEBIBYTE = 2**20


@pytest.fixture
def bounded():
    """Fails if Python's memory passes 64 MiB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MEBIBYTE


@pytest.fixture(scope="module")
def zeros():
    """An archive of 100 KiB that unpacks to 100 MiB."""
    return gzip.compress(bytes(100 * MEBIBYTE), compresslevel=1)


@pytest.mark.parametrize("read", [NameDataset, CSVDataset])
def test_an_archive_of_rows_is_read_up_to_the_limit(read, zeros, tmp_path, bounded):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(zeros)
    message = (
        r"the archive must unpack to at most 1048576 bytes, got more \(raise max_bytes, or unpack it first\)"
    )
    with pytest.raises(ValueError, match=message):
        read(path, max_bytes=MEBIBYTE)


@pytest.mark.parametrize(
    ("read", "row", "limit"), [(NameDataset, b"a,b\n", 2**23), (CSVDataset, b"1,2\n", 2**26)]
)
def test_many_short_rows_reach_the_limit_before_they_fill_the_memory(read, row, limit, tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(row * (limit // 4 + 1), compresslevel=1))
    with pytest.raises(ValueError, match=f"must unpack to at most {limit} bytes, got more"):
        read(path)


def test_a_table_of_diabetes_has_the_limit_of_tables(tmp_path):
    path = tmp_path / "diabetes.csv.gz"
    path.write_bytes(gzip.compress(b"0,0,0,0,0,0,0,0,1\n" * 10))
    with pytest.raises(ValueError, match=r"at most 179 bytes, got more \(raise max_bytes, or unpack"):
        DiabetesDataset(path, max_bytes=179)
    assert len(DiabetesDataset(path, max_bytes=180)) == 10


def test_the_limit_itself_is_allowed(tmp_path):
    path = tmp_path / "names.csv.gz"
    path.write_bytes(gzip.compress(b"Kim,KR\n"))
    assert len(NameDataset(path, max_bytes=7)) == 1


def test_an_idx_archive_is_read_up_to_what_its_header_promises(zeros, tmp_path, bounded):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 10, 28, 28)) + zeros)
    with pytest.raises(ValueError, match=r"must hold the 7840 bytes of shape .* promises, got more"):
        read_idx(path, num_dims=3)


def test_an_idx_archive_that_promises_too_much(zeros, tmp_path, bounded):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 28, 28)) + zeros)
    with pytest.raises(
        ValueError, match="must unpack to at most 1073741824 bytes, got a header that promises"
    ):
        read_idx(path, num_dims=3)


def test_the_time_of_empty_members_grows_with_their_number(tmp_path):
    def seconds(num_members):
        path = tmp_path / "names.csv.gz"
        path.write_bytes(gzip.compress(b"") * num_members + gzip.compress(b"Kim,KR\n"))
        started = time.perf_counter()
        assert len(NameDataset(path)) == 1
        return time.perf_counter() - started

    seconds(100)
    assert seconds(80_000) < 16 * seconds(20_000) + 0.5  # not the square of four
