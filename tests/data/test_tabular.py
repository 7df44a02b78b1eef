"""Tables of numbers: eager and lazy give the same, and every fault of a file is named."""

import gzip
import pickle
import re

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, Subset

from practicezoo import DiabetesDataset, TensorLoader
from practicezoo.data import CSVDataset

ROWS = '1,2.5,-3\n\n4,5e-1,6\n 7 ,"8",9\n'
VALUES = [[1, 2.5, -3], [4, 0.5, 6], [7, 8, 9]]
both = pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return write


def whole(dataset):
    """Features and targets beside each other, item by item."""
    return torch.stack([torch.cat(item) for item in dataset])


@both
@pytest.mark.parametrize(
    "text",
    [ROWS, ROWS.replace("\n", "\r\n"), ROWS.rstrip(), "\ufeff" + ROWS],
    ids=["", "windows", "no newline at the end", "byte order mark"],
)
def test_items_and_tensors_are_the_files_numbers(write, text, lazy):
    dataset = CSVDataset(write(text), lazy=lazy)
    assert (len(dataset), dataset.num_features, dataset.columns) == (3, 2, None)
    assert_close(whole(dataset), torch.tensor(VALUES))
    features, targets = dataset.tensors()
    assert (features.shape, targets.shape) == ((3, 2), (3, 1))
    assert_close(torch.cat([features, targets], dim=1), torch.tensor(VALUES))
    assert_close(dataset[-1], (torch.tensor([7.0, 8.0]), torch.tensor([9.0])))
    with pytest.raises(IndexError):
        dataset[3]


@both
@pytest.mark.parametrize("target", [1, -2, "b"])
def test_the_target_by_number_or_name(write, target, lazy):
    dataset = CSVDataset(write("a, b,c\n" + ROWS), target=target, skip_header=True, lazy=lazy)
    assert (dataset.columns, dataset.target, len(dataset)) == (["a", "b", "c"], 1, 3)
    assert_close(dataset[0], (torch.tensor([1.0, -3.0]), torch.tensor([2.5])))


@both
def test_another_delimiter_and_type(write, lazy):
    dataset = CSVDataset(write("0.1;2\n3;4\n"), delimiter=";", dtype=torch.float64, lazy=lazy)
    assert_close(dataset[0], (torch.tensor([0.1], dtype=torch.float64), torch.tensor([2.0]).double()))
    assert_close(dataset.tensors()[0], torch.tensor([[0.1], [3.0]], dtype=torch.float64), rtol=0, atol=0)


def test_an_archive(write):
    assert_close(whole(CSVDataset(write(ROWS, "table.csv.gz"))), torch.tensor(VALUES))


def test_numbers_are_read_as_numpy_reads_them(write):
    generator = np.random.default_rng(0)
    table = generator.standard_normal((50, 4)) * 10.0 ** generator.integers(-30, 30, size=(50, 4))
    text = "\n".join(",".join(map(repr, row)) for row in table.tolist())
    for lazy in (False, True):
        features, targets = CSVDataset(write(text), dtype=torch.float64, lazy=lazy).tensors()
        assert np.array_equal(torch.cat([features, targets], dim=1).numpy(), table)


def test_tensors_fill_a_tensor_loader(write):
    loader = TensorLoader(*CSVDataset(write(ROWS)).tensors(), batch_size=2)
    assert [targets.tolist() for _, targets in loader] == [[[-3.0], [6.0]], [[9.0]]]


@both
def test_a_copy_by_pickle_reads_on(write, lazy):
    dataset = CSVDataset(write("a,b,c\n" + ROWS), target="c", skip_header=True, lazy=lazy)
    copied = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - what this test pickled itself
    assert_close(whole(copied), torch.tensor(VALUES))
    assert copied.columns == ["a", "b", "c"]


@both
@pytest.mark.parametrize("context", [None, "fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # torch has threads
def test_workers_read_the_same(write, lazy, context):
    text = "\n".join(f"{row},{row * row},{-row}" for row in range(40))
    dataset = CSVDataset(write(text), lazy=lazy)
    next(iter(dataset))  # a file opened here would be shared with forked workers
    num_workers = {None: 0, "fork": 2, "spawn": 1}[context]  # spawning takes seconds
    loader = DataLoader(dataset, batch_size=7, num_workers=num_workers, multiprocessing_context=context)
    columns = zip(*loader, strict=True)
    assert_close([torch.cat(column) for column in columns], list(dataset.tensors()))
    part = DataLoader(Subset(dataset, [3, 1]), batch_size=2)
    assert next(iter(part))[1].tolist() == [[-3.0], [-1.0]]


def test_lazy_reads_a_row_only_when_it_is_asked_for(write):
    path = write("1,2\n3,four\n5,6\n")
    with pytest.raises(ValueError, match="row 2, column 1 must be a number, got 'four'"):
        CSVDataset(path)
    dataset = CSVDataset(path, lazy=True)
    assert len(dataset) == 3
    assert_close(dataset[2], (torch.tensor([5.0]), torch.tensor([6.0])))
    for read in (lambda: dataset[1], dataset.tensors, lambda: dataset.__getitems__([2, 1])):
        with pytest.raises(ValueError, match=r"table.csv: row 2, column 1 must be a number, got 'four'"):
            read()


def test_a_file_that_changes_under_a_lazy_reader(write):
    dataset = CSVDataset(write("1,2\n3,4\n"), lazy=True)
    write("10,20\n30,40\n")
    with pytest.raises(
        ValueError, match=r"table.csv: the file must stay as it is while it is read row by row"
    ):
        dataset[0]


FAULTS = {
    "text": ("1,2,3\n\n4,five,6\n", {}, "row 3, column 1 must be a number, got 'five'"),
    "text under a name": (
        "a,b,c\n1,2,3\n4,5,six\n",
        {"skip_header": True},
        "row 3, column 2 ('c') must be a number, got 'six'",
    ),
    "a header": (
        "a,b,c\n1,2,3\n",
        {},
        "row 1, column 0 must be a number, got 'a'; is this a header (skip_header=True)?",
    ),
    "nothing": ("1,2,3\n4,,6\n", {}, "row 2, column 1 must be a number, got ''"),
    "Python's own writing": ("1,2,3\n4,5_0,6\n", {}, "row 2, column 1 must be a number, got '5_0'"),
    "NaN": ("1,2,3\n4,5,nan\n", {}, "row 2, column 2 must be finite in torch.float32, got 'nan'"),
    "infinity": ("1,2,3\n-inf,5,6\n", {}, "row 2, column 0 must be finite in torch.float32, got '-inf'"),
    "too large": ("1,2,3\n4,1e39,6\n", {}, "row 2, column 1 must be finite in torch.float32, got '1e39'"),
    "too short": ("1,2,3\n4,5\n", {}, "row 2 must have 3 columns as the first row has, got 2"),
    "too long": ("1,2,3\n4,5,6,7\n", {}, "row 2 must have 3 columns as the first row has, got 4"),
    "unlike its header": (
        "a,b\n1,2,3\n",
        {"skip_header": True},
        "row 2 must have 2 columns as the first row has, got 3",
    ),
    "one column": ("1;2\n", {}, "row 1 must have at least 2 columns, got 1 with the delimiter ','"),
    "not UTF-8": (b"1,2\n3,\xff\n", {}, "the file must be UTF-8 text, got byte 0xff in row 2"),
    "a return in a row": (b"1,2\r3,4\n", {}, "row 1 must end in \\n or \\r\\n, got \\r alone"),
    "empty": ("", {}, "the file must have at least one row of numbers, got none"),
    "blank": ("\n \n", {}, "the file must have at least one row of numbers, got none"),
    "header alone": (
        "a,b\n",
        {"skip_header": True},
        "the file must have at least one row of numbers, got none",
    ),
    "no such column": ("1,2\n", {"target": 2}, "target must lie in [-2, 2), the columns of the table, got 2"),
    "none from the end": (
        "1,2\n",
        {"target": -3},
        "target must lie in [-2, 2), the columns of the table, got -3",
    ),
    "no such name": (
        "a,b\n1,2\n",
        {"target": "c", "skip_header": True},
        "target must be one of the columns a, b, got 'c'",
    ),
    "a name without a header": (
        "1,2\n",
        {"target": "b"},
        "target must be a number where there is no header (skip_header=True), got 'b'",
    ),
}


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(write, fault, lazy):
    text, arguments, message = FAULTS[fault]
    path = write(text)
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}: {message}")):
        CSVDataset(path, lazy=lazy, **arguments).tensors()


def test_archives(write, tmp_path):
    path = write(ROWS, "table.csv.gz")
    with pytest.raises(ValueError, match="an archive cannot be read from the middle, as lazy=True would"):
        CSVDataset(path, lazy=True)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"table.csv.gz: the file must be a whole gzip archive"):
        CSVDataset(path)
    with pytest.raises(FileNotFoundError, match=r"other.csv"):
        CSVDataset(tmp_path / "other.csv")


def test_wrong_settings(write):
    path = write(ROWS)
    with pytest.raises(TypeError, match=r"dtype must be a floating-point type, got torch.int64"):
        CSVDataset(path, dtype=torch.int64)
    with pytest.raises(ValueError, match="delimiter must be one character, got ', '"):
        CSVDataset(path, delimiter=", ")


GOOD = "-0.5,0,0.25,1,0,0,-0.75,0.125,0\n0,0.5,0,0,-0.5,1,0.5,0,1\n"


def test_diabetes_as_it_is_and_repaired(write):
    path = write(GOOD)
    features, targets = DiabetesDataset(path).tensors()
    assert targets.tolist() == [[0.0], [1.0]]
    assert features[0].tolist() == [-0.5, 0, 0.25, 1, 0, 0, -0.75, 0.125]
    repaired = DiabetesDataset(path, repair=True)
    assert repaired.tensors()[1].tolist() == [[1.0], [0.0]]
    assert repaired[0][0].tolist() == [-0.5, -1, 0.25, 1, -1, -1, -0.75, 0.125]
    assert repaired[1][1].tolist() == [0.0]
    assert DiabetesDataset(path, repair=True, dtype=torch.float64)[0][0].dtype == torch.float64


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            "\n".join([" ".join(["0.1"] * 10)] * 442),  # scikit-learn's table of that name
            {},
            (
                "the table must have 9 columns with commas between them, "
                "8 features and a label, got shape (442, 10)"
            ),
        ),
        (GOOD + "0.5,148,0,0,0,0,0,0,1\n", {}, "glucose must be scaled to [-1, 1], got 148"),
        (GOOD.replace("0.125,0\n", "0.125,2\n"), {}, "labels must be 0 or 1, got 2"),
        (
            GOOD.replace("-0.5", "-1", 1),
            {"repair": True},
            "repair must be False for a table that has a -1: nothing is to undo",
        ),
    ],
)
def test_tables_that_are_not_the_courses(write, text, arguments, message):
    path = write(text)
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}: {message}")):
        DiabetesDataset(path, **arguments)


@pytest.mark.realdata("course/diabetes.csv.gz")
class TestTheCoursesFile:
    @pytest.fixture
    def path(self, data_root):
        return data_root / "course" / "diabetes.csv.gz"

    def test_as_it_is(self, path):
        features, targets = DiabetesDataset(path, dtype=torch.float64).tensors()
        assert np.array_equal(np.loadtxt(path, delimiter=","), torch.cat([features, targets], dim=1).numpy())
        assert (len(targets), int(targets.sum())) == (759, 496)
        assert not (features == -1).any()

    def test_repaired(self, path):
        raw, _ = DiabetesDataset(path).tensors()
        features, targets = DiabetesDataset(path, repair=True).tensors()
        assert int(targets.sum()) == 263
        assert (raw == 0).sum(dim=0).tolist() == [111, 5, 35, 224, 371, 11, 1, 63]
        assert torch.equal(features == -1, raw == 0)
        assert torch.equal(features[raw != 0], raw[raw != 0])
        # least and greatest: every column fills its range again
        assert_close(features.aminmax(dim=0).min, torch.full((8,), -1.0))
        assert_close(features.aminmax(dim=0).max, torch.ones(8))

    def test_repaired_values_are_whole_steps_of_the_measurement(self, path):
        """The original's ranges and steps; where a scaled 0 would be half a step, no 0 can be true."""
        least = torch.tensor([0, 0, 0, 0, 0, 0, 78, 21], dtype=torch.float64)
        greatest = torch.tensor([17, 199, 122, 99, 846, 671, 2420, 81], dtype=torch.float64)  # in steps
        features, _ = DiabetesDataset(path, repair=True, dtype=torch.float64).tensors()
        steps = (features + 1) / 2 * (greatest - least) + least
        assert_close(steps, steps.round(), rtol=0, atol=1e-3)
        cannot_be_zero = (greatest + least) % 2 == 1
        assert cannot_be_zero.tolist() == [True, True, False, True, False, True, False, False]
        # with age 51 and blood pressure 61 the scaled value would be a true 0: those rows are missing
        assert not (steps[:, 7].round() == 51).any()
        assert not (steps[:, 2].round() == 61).any()
        assert (steps[:, 7].round() == 50).sum() == (steps[:, 7].round() == 52).sum() == 8


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (
            "1,5;2;0\n",
            {"delimiter": ";"},
            r"row 1, column 0 must be a number, got '1,5'; a decimal comma\? Write 1.5",
        ),
        ("1;2;0\n", {}, r"at least 2 columns, got 1 with the delimiter ','; is it ';' \(delimiter=\)\?"),
        ("1,2\r3,4\r", {}, r"row 1 must end in .*, got .* alone: save the file"),
        (
            '"a\nb",c\n1,2\n',
            {"skip_header": True},
            "row 1 must close its quotes, got .* must not hold a line",
        ),
        ("1,2,yes\n", {}, "column 2 must be a number, got 'yes'; text, such as labels, must be turned into"),
        ("a,b\n1,2\n", {}, r"got 'a'; is this a header \(skip_header=True\)\?"),
    ],
)
def test_a_habit_of_csv_files_is_named(content, settings, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    with pytest.raises(ValueError, match=message):
        CSVDataset(path, **settings)
