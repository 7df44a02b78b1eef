"""Saved results become tables in files, and two results are compared arm by arm."""

import copy
import csv
import io
import itertools
import json

import pytest

from benchmarks import report
from benchmarks.__main__ import main
from benchmarks.changes import changes
from benchmarks.rows import rows_of
from benchmarks.sheets import csv_text, group_by_machine, markdown_text
from benchmarks.tables import payload_text
from benchmarks.timing import Arm, compare

ENVIRONMENT = {
    "device": "cpu",
    "processor": "one kind",
    "num_threads": 1,
    "versions": {"torch": "2.15.0+cu132"},
    "commit": "0123456789abcdef",
    "dirty": True,
    "crowded": False,
}


def measured():
    """A comparison of two arms by a clock that ticks once a reading."""
    ticks = map(float, itertools.count())
    arms = [Arm(name, lambda: lambda: None, 64, "items") for name in ("by hand", "fit")]
    return compare(arms, reference="by hand", clock=lambda: next(ticks)).to_dict()


@pytest.fixture
def payload():
    comparison = measured()
    cell = measured() | {"model": "mnist_mlp", "batch_size": 64, "num_rounds": 15, "steps": 4}
    for arm in cell["measurements"]:
        del arm["rounds"]
        arm |= {"launches": None, "peak_bytes": 2**20, "of_product_rate": 0.125, "of_copy_rate": 0.5}
    return {
        "environment": dict(ENVIRONMENT),
        "comparisons": {"one epoch": comparison},
        "grid": {"rates": {"copied bytes": 1e9}, "left_out": [], "cells": [cell]},
    }


@pytest.fixture
def write(tmp_path):
    def write(name, payload):
        path = tmp_path / name
        path.write_text(json.dumps(payload), encoding="utf-8")
        return str(path)

    return write


def slower(payload, factor, arm="fit"):
    """The same result with one arm slower in each of its comparisons."""
    changed = copy.deepcopy(payload)
    for comparison in [*changed["comparisons"].values(), *changed["grid"]["cells"]]:
        for each in comparison["measurements"]:
            if each["name"] == arm:
                each["ratio"] = {key: value * factor for key, value in each["ratio"].items()}
                each |= {key: each[key] * factor for key in ("median", "low", "high")}
    return changed


def test_rows_hold_every_arm_and_seconds_of_one_step(payload):
    rows = list(rows_of(payload))
    assert [(row.comparison, row.arm) for row in rows[:2]] == [("one epoch", "by hand"), ("one epoch", "fit")]
    assert rows[3].comparison == "mnist_mlp, batch 64"
    assert (rows[0].median_seconds, rows[3].median_seconds) == (1.0, 0.25)
    assert [row.is_reference for row in rows] == [True, False, False] * 2
    assert (rows[0].of_copy_rate, rows[3].of_copy_rate) == (None, 0.5)


def test_groups_are_named_by_device_and_version(payload):
    card = payload | {"environment": ENVIRONMENT | {"device": "NVIDIA H100 80GB HBM3"}}
    groups = group_by_machine({"a-cpu": payload, "a-cuda": card, "b-cpu": payload})
    assert {name: list(found) for name, found in groups.items()} == {
        "cpu-torch-2.15.0": ["a-cpu", "b-cpu"],
        "nvidia-h100-80gb-hbm3-torch-2.15.0": ["a-cuda"],
    }


def test_markdown_has_a_table_for_each_comparison_and_model(payload):
    lines = markdown_text("the title", {"a-cpu": payload}).splitlines()
    assert lines[0] == "# the title"
    assert lines[4] == "one kind, 1 threads, torch 2.15.0+cu132, commit 0123456789ab with changes"
    assert [line for line in lines if line.startswith("#")][1:] == [
        "## a-cpu",
        "### one epoch",
        "### mnist_mlp",
    ]
    tables = [
        "\n".join(table) for kind, table in itertools.groupby(lines, lambda line: line[:1]) if kind == "|"
    ]
    assert [table.splitlines()[1] for table in tables] == [
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    assert "| fit | 1.00 s | 1.00 s - 1.00 s | 64.0 items/s | 1.000 [1.000, 1.000] |" in tables[0]
    assert tables[1].splitlines()[0].endswith("| peak memory | of products | of copying |")
    assert "| 1.00 MiB | 12% | 50% |" in tables[1]


def test_a_csv_table_has_a_row_for_each_arm(payload):
    rows = list(csv.DictReader(io.StringIO(csv_text({"a-cpu": payload}))))
    assert len(rows) == 6
    assert {row["benchmark"] for row in rows} == {"a-cpu"}
    assert (rows[1]["arm"], float(rows[1]["ratio"]), rows[1]["of_product_rate"]) == ("fit", 1.0, "")
    assert (rows[4]["torch"], rows[4]["processor"], rows[4]["crowded"]) == (
        "2.15.0+cu132",
        "one kind",
        "False",
    )


def test_a_crowded_result_says_so_in_every_table(payload):
    payload["environment"] |= {"crowded": True, "of_best_rate": 0.25}
    note = "crowded: products ran at 0.25 of the best rate known for this processor"
    assert payload_text(payload).splitlines()[0] == note
    assert note in markdown_text("", {"a-cpu": payload}).splitlines()
    assert ",True\n" in csv_text({"a-cpu": payload})


def test_phases_stand_below_the_cells(payload):
    payload["grid"]["cells"][0]["detail"] = {"data": 0.0001, "forward": 0.25}
    note = "phases at batch size 64, by hand: data 100 us, forward 250 ms"
    assert note in payload_text(payload).splitlines()
    assert note in markdown_text("", {"a": payload}).splitlines()


def test_report_writes_what_the_committed_results_hold(tmp_path, capsys):
    pytest.importorskip("matplotlib")  # draws what grows
    assert main(["report", "--out", str(tmp_path / "deep" / "tables")]) == 0
    names = {path.name for path in (tmp_path / "deep" / "tables").iterdir()}
    groups = group_by_machine(report.saved_results())
    drawn = {
        f"{group}-{benchmark}.svg"
        for group, results in groups.items()
        for benchmark, payload in results.items()
        if "growth" in payload
    }
    assert names == {f"{group}.{ending}" for group in groups for ending in ("md", "csv")} | drawn
    assert len(capsys.readouterr().out.splitlines()) == len(names)


def test_report_into_a_file(tmp_path, capsys):
    path = tmp_path / "file"
    path.touch()
    assert main(["report", "--out", str(path)]) == 2
    assert capsys.readouterr().err == f"benchmarks: --out {path} cannot be written: File exists\n"


def test_report_without_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert main(["report"]) == 2
    assert capsys.readouterr().err == "benchmarks: there are no saved results\n"


def test_a_result_has_not_changed_from_itself(payload, write, capsys):
    path = write("same.json", payload)
    assert main(["compare", path, path]) == 0
    assert capsys.readouterr().out == "beyond their intervals 0 changed, 0 by more than +5%\n"


@pytest.mark.parametrize(("tolerance", "status"), [("0.05", 1), ("0.5", 0)])
def test_an_arm_that_became_slower(payload, write, capsys, tolerance, status):
    files = write("old.json", payload), write("new.json", slower(payload, 1.25))
    assert main(["compare", *files, "--tolerance", tolerance]) == status
    *found, last = capsys.readouterr().out.splitlines()
    assert found == [
        "one epoch: fit: ratio 1 -> 1.25 (+25.0%)",
        "mnist_mlp, batch 64: fit: ratio 1 -> 1.25 (+25.0%)",
    ]
    assert last == f"beyond their intervals 2 changed, {2 * status} by more than +{float(tolerance):.0%}"


def test_an_arm_that_became_faster_is_told_and_fails_nothing(payload, write, capsys):
    assert main(["compare", write("old.json", slower(payload, 1.25)), write("new.json", payload)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("(-20.0%)")


def test_what_the_intervals_share_is_no_change(payload):
    wide = slower(payload, 1.25)
    for comparison in [*wide["comparisons"].values(), *wide["grid"]["cells"]]:
        comparison["measurements"][1]["ratio"]["low"] = 0.99
    assert not list(changes(payload, wide))


def test_the_reference_is_compared_in_seconds_on_the_same_quiet_machine_only(payload):
    new = slower(payload, 2.0, arm="by hand")
    (first, _) = changes(payload, new)
    assert (first.arm, first.quantity, first.factor) == ("by hand", "seconds", 2.0)
    for elsewhere in ({"processor": "other"}, {"num_threads": 2}, {"crowded": True}):
        assert not list(changes(payload, new | {"environment": ENVIRONMENT | elsewhere}))


def test_arms_that_only_one_result_has_are_named(payload, write, capsys):
    new = copy.deepcopy(payload)
    new["comparisons"]["one epoch"]["measurements"][1]["name"] = "fit, faster"
    main(["compare", write("old.json", payload), write("new.json", new)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["only in OLD: one epoch: fit", "only in NEW: one epoch: fit, faster"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{path} cannot be read: No such file or directory"),
        ("{", "{path} is no JSON: Expecting property name"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "{path} is no JSON: "),
        ("[1]", "{path} is no benchmark's: it lacks environment and comparisons"),
        ('{"comparisons": {}}', "{path} is no benchmark's: it lacks environment and comparisons"),
    ],
)
def test_compare_answers_in_one_line(write, tmp_path, capsys, content, message):
    path = tmp_path / "new.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert main(["compare", str(path), str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"benchmarks: {message.format(path=path)}")
    assert error.count("\n") == 1


def test_results_of_different_benchmarks(payload, write, capsys):
    other = payload | {"comparisons": {"another": payload["comparisons"]["one epoch"]}, "grid": {"cells": []}}
    old, new = write("old.json", payload), write("new.json", other)
    assert main(["compare", old, new]) == 2
    assert capsys.readouterr().err == f"benchmarks: {old} and {new} have no comparison in common\n"


@pytest.mark.parametrize("tolerance", ["-1", "nan", "a"])
def test_a_tolerance_that_is_no_fraction(tolerance, capsys):
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", f"--tolerance={tolerance}"])
    assert f"argument --tolerance: invalid fraction value: '{tolerance}'" in capsys.readouterr().err
