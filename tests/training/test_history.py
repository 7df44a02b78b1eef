"""Laws of the history: a value for each epoch, kept to the last digit."""

import csv
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from practicezoo import plotting
from practicezoo.training import History

NAN = math.nan


def history_of(**columns: list[float]) -> History:
    history = History()
    for values in zip(*columns.values(), strict=True):
        history.append(dict(zip(columns, values, strict=True)))
    return history


def test_columns_keep_their_order():
    names = [f"name_{index}" for index in (3, 1, 4, 1, 5, 9, 2, 6)]
    history = History()
    history.append(dict.fromkeys(names, 0.0))
    history.append({"late": 1.0, **dict.fromkeys(reversed(names), 0.0), "later": 2.0})
    assert list(history) == [*dict.fromkeys(names), "late", "later"]


def test_is_read_by_name():
    history = history_of(train_loss=[2, 1], val_accuracy=[0.5, 0.75])
    assert history["train_loss"] == [2.0, 1.0]
    assert (len(history), history.epochs) == (2, [1, 2])
    assert "val_accuracy" in history
    assert "val_loss" not in history
    assert history.last() == {"train_loss": 1.0, "val_accuracy": 0.75}
    assert repr(history) == "History(2 epochs; the last: train_loss 1, val_accuracy 0.75)"


def test_values_become_floats():
    values: list[Any] = [torch.tensor(0.5), 1]
    history = history_of(loss=values)
    assert [type(value) for value in history["loss"]] == [float, float]


def test_what_an_epoch_lacks_is_nan():
    history = History()
    for values in ({"a": 1}, {"b": 2}, {"a": 3, "b": 4}):
        history.append(values)
    assert history["a"] == pytest.approx([1, NAN, 3], nan_ok=True)
    assert history["b"] == pytest.approx([NAN, 2, 4], nan_ok=True)


@pytest.mark.parametrize(
    ("name", "values", "mode", "best"),
    [
        ("val_loss", [3, 1, 2], "auto", (2, 1)),
        ("top5_error", [3, 1, 2], "auto", (2, 1)),
        ("val_accuracy", [0.1, 0.3, 0.2], "auto", (2, 0.3)),
        ("val_loss", [3, 1, 2], "max", (1, 3)),
        ("val_accuracy", [0.1, 0.3, 0.2], "min", (1, 0.1)),
        ("val_loss", [2, 1, 1, 1], "auto", (2, 1)),  # the earliest of equals
        ("val_accuracy", [NAN, 0.5, NAN, 0.7, NAN], "auto", (4, 0.7)),
        ("val_loss", [NAN, 0.5, NAN, 0.7], "auto", (2, 0.5)),
    ],
)
def test_best(name, values, mode, best):
    result = history_of(**{name: values}).best(name, mode=mode)
    assert (result.epoch, result.value) == best


@given(st.lists(st.floats(allow_nan=True), min_size=1), st.booleans())
def test_nothing_is_better_than_the_best(values, smaller):
    history = history_of(value=values)
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        best = history.best("value", mode="min" if smaller else "max")
        assert best.value == (min(numbers) if smaller else max(numbers))
        assert best.epoch == values.index(best.value) + 1


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1))
def test_csv_keeps_every_digit(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "history.csv"
    history = history_of(
        **{"train_loss": [row[0] for row in rows], 'an "odd", name': [row[1] for row in rows]}
    )
    history.to_csv(path)
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["epoch", *history]
    assert [int(line[0]) for line in lines] == history.epochs
    for column, name in enumerate(history, start=1):
        assert [repr(float(line[column])) for line in lines] == [repr(value) for value in history[name]]


def test_csv_of_no_epoch_is_a_header(tmp_path):
    History().to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_bytes() == b"epoch\n"


def test_state_dict_round_trip():
    history = history_of(a=[1, NAN], b=[3, 4])
    restored = History()
    restored.load_state_dict(history.state_dict())
    for it in (history, restored):
        it.append({"b": 5, "c": 6})
    assert (len(restored), list(restored)) == (3, ["a", "b", "c"])
    for name in history:
        assert restored[name] == pytest.approx(history[name], nan_ok=True)


def test_state_dict_is_a_copy():
    history = history_of(a=[1])
    state = history.state_dict()
    restored = History()
    restored.load_state_dict(state)
    history.append({"a": 2})
    restored.append({"a": 3})
    assert state == {"a": [1.0]}


def test_plot_draws_with_plotting(monkeypatch):
    calls = []
    monkeypatch.setattr(plotting, "plot_history", lambda *arguments: calls.append(arguments) or "axes")
    history = history_of(loss=[1])
    axes: Any = history.plot("loss")
    assert axes == "axes"
    assert calls == [(history, "loss")]


@pytest.mark.parametrize("read", [lambda history: history["f1"], lambda history: history.best("f1")])
def test_missing_name(read):
    with pytest.raises(KeyError, match="history has no 'f1'; it has loss, accuracy"):
        read(history_of(loss=[1], accuracy=[0]))
    with pytest.raises(KeyError, match="history has no 'f1'; it has nothing"):
        read(History())


def test_best_of_nothing_but_nan():
    with pytest.raises(ValueError, match=r"loss must have a value other than NaN, got \[nan, nan\]"):
        history_of(loss=[NAN, NAN]).best("loss")


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be 'auto', 'min' or 'max', got 'least'"):
        history_of(loss=[1, 2]).best("loss", mode="least")


def test_last_of_no_epoch():
    with pytest.raises(ValueError, match="history must have at least one epoch, got none"):
        History().last()


def test_a_table_is_read_back(tmp_path):
    history = History()
    history.append({"train_loss": 0.1 + 0.2, "val_accuracy": 0.5})
    history.append({"train_loss": 0.25})
    history.to_csv(tmp_path / "history.csv")
    read = History.from_csv(tmp_path / "history.csv")
    assert str(dict(read)) == str(dict(history))
    assert read.items()[0] == ("train_loss", [0.1 + 0.2, 0.25])
    assert repr(read) == "History(2 epochs; the last: train_loss 0.25, val_accuracy nan)"
    assert repr(History()) == "History(no epoch)"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "epoch,a\n1,2\n1,2\n", "epoch,a\n1\n"])
def test_another_table_is_no_history(text, tmp_path):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(ValueError, match=r"must be a history's table|must hold one run"):
        History.from_csv(tmp_path / "history.csv")


def test_a_folder_in_the_place_of_the_table(tmp_path):
    with pytest.raises(IsADirectoryError, match="path must be a file's, got the folder"):
        History().to_csv(tmp_path)
    with pytest.raises(IsADirectoryError, match="path must be a file's, got the folder"):
        History.from_csv(tmp_path)
