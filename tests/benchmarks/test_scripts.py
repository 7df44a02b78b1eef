"""Every benchmark runs, and the command line answers in one line. Nothing is written here."""

import copy
import itertools
import json
import os
import socket
from pathlib import Path

import pytest
import torch

from benchmarks import import_time, loop_overhead, report
from benchmarks.__main__ import main
from benchmarks.discovery import load, summaries
from benchmarks.tables import payload_tables
from benchmarks.timing import Arm, compare

FP32 = "fp32 operations in a product"

# These start interpreters that import torch, or train for seconds.
SLOW = {"mnist_epoch", "import_time", "training_step", "inference"}


@pytest.fixture
def single_thread():
    """One thread: on a busy machine small models wait for each other's threads many times longer."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The results' folder, moved away from the committed ones."""
    folder = tmp_path / "results"
    monkeypatch.setattr(report, "RESULTS", folder)
    return folder


@pytest.fixture
def payload(monkeypatch):
    """A finished run of a script that takes no time, on three threads."""
    arm = Arm("by hand", lambda: lambda: None, 1, "items")
    ticks = map(float, itertools.count())
    comparison = compare([arm], reference="by hand", clock=lambda: next(ticks))
    environment = report.environment("cpu", "fp32", {"order": 0}) | {"num_threads": 3}
    payload = {"environment": environment, "comparisons": {"one title": comparison.to_dict()}}
    monkeypatch.setattr("benchmarks.__main__.snapshot", lambda _device, *, quick: {"rates": {FP32: 1e9}})
    monkeypatch.setattr("benchmarks.__main__.summaries", lambda: {"names_epoch": ""})
    monkeypatch.setattr("benchmarks.__main__.load", lambda _name: lambda *, device, quick: payload)
    return payload


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in summaries()]
)
@pytest.mark.usefixtures("single_thread")
@pytest.mark.filterwarnings("ignore:.* multi-threaded:DeprecationWarning")  # a DataLoader's own, as it forks
def test_a_script_runs_and_its_payload_is_json(name, capsys):
    payload = load(name)(device="cpu", quick=True)
    text = json.dumps(payload)
    assert payload["environment"]["seeds"]
    assert payload["environment"]["versions"]["torch"] == torch.__version__
    measured = [*payload["comparisons"].values(), *payload.get("grid", {"cells": []})["cells"]]
    assert measured or payload.get("accuracies") or payload["tables"]
    assert payload_tables(json.loads(text))
    for comparison in measured:
        assert comparison["quick"]
        assert all(arm["median"] > 0 for arm in comparison["measurements"])
    assert str(Path.home()) not in text
    assert str(Path(report.__file__).parent) not in text
    assert socket.gethostname() not in text
    assert "quick run: " in capsys.readouterr().out


def test_an_import_tells_what_its_statement_added():
    added: list[float] = []
    peaks: list[int] = []
    ballast = b"." * 2**30  # Linux hands the peak of the process that starts another on to that one
    total = import_time.Import("import practicezoo; practicezoo.fit", added, peaks)()
    assert 0 < added[0] < total
    assert 2**24 < peaks[0] < len(ballast)  # torch alone takes more than 16 MiB


def test_libraries_that_are_not_there_are_left_out_of_the_imports(monkeypatch, capsys):
    monkeypatch.setattr(import_time, "find_spec", lambda name: None if name == "timm" else object())
    assert "import torch, torchvision" in import_time._installed_peers()
    assert capsys.readouterr().out == "left out: import torch, timm: not installed\n"


def test_infrastructure_is_no_script():
    assert {"names_epoch", "mnist_epoch", "inception_block", "training_step"} <= set(summaries())
    infrastructure = {"timing", "report", "tables", "machine", "peer_loops", "grid", "sheets", "__main__"}
    assert not infrastructure & set(summaries())


def test_list_names_each_script_and_its_question(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(summaries())
    assert all(line.split()[0] in summaries() and line.endswith("?") for line in lines)


def test_an_unknown_name_gets_near_matches(capsys):
    assert main(["run", "name_epochs"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("benchmarks: unknown benchmark 'name_epochs'; did you mean names_epoch")
    assert captured.err.endswith("?\n")
    assert not captured.out


def test_a_name_like_no_other_gets_the_list(capsys):
    assert main(["run", "xyz"]) == 2
    assert f"unknown benchmark 'xyz'; known are {', '.join(summaries())}\n" in capsys.readouterr().err


def test_cuda_without_cuda(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["run", "names_epoch", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "benchmarks: --device cuda needs a CUDA device, and torch finds none\n"
    )


def test_a_script_without_its_requirement(capsys, monkeypatch):
    def load_missing(_name):
        raise ModuleNotFoundError(name="some_peer")

    monkeypatch.setattr("benchmarks.__main__.load", load_missing)
    assert main(["run", "names_epoch"]) == 2
    assert capsys.readouterr().err == ("benchmarks: names_epoch needs 'some_peer', which is not installed\n")


def test_a_run_is_saved_as_sorted_json(results, payload):
    assert main(["run", "names_epoch"]) == 0
    text = (results / "names_epoch-cpu-3.json").read_text(encoding="utf-8")
    assert json.loads(text) == payload
    assert text.endswith("}\n")
    assert text.index("comparisons") < text.index("environment")


def test_a_saved_run_tells_of_its_machine(results, payload):
    main(["run", "names_epoch"])
    environment = json.loads((results / "names_epoch-cpu-3.json").read_text(encoding="utf-8"))["environment"]
    assert environment["machine"] == {"before": {"rates": {FP32: 1e9}}, "after": {"rates": {FP32: 1e9}}}
    assert (environment["of_best_rate"], environment["crowded"]) == (1.0, False)


def test_a_crowded_run_is_saved_only_by_force(results, payload, monkeypatch, capsys):
    main(["run", "names_epoch"])
    before = (results / "names_epoch-cpu-3.json").read_text(encoding="utf-8")
    monkeypatch.setattr("benchmarks.__main__.snapshot", lambda _device, *, quick: {"rates": {FP32: 6e8}})
    assert main(["run", "names_epoch"]) == 2
    crowded = "crowded: products ran at 0.60 of the best rate known for this processor"
    kept = "it is in results/refused/names_epoch-cpu-3.json"
    assert capsys.readouterr().err == f"benchmarks: not among the results: {crowded}; {kept}; run again\n"
    assert json.loads((results / "refused" / "names_epoch-cpu-3.json").read_text())["environment"]["crowded"]
    assert (results / "names_epoch-cpu-3.json").read_text(encoding="utf-8") == before
    assert main(["run", "names_epoch", "--force"]) == 0
    assert main(["show", "names_epoch"]) == 0
    assert crowded in capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("payload")
def test_a_script_without_steps_has_no_detail(capsys):
    assert main(["run", "names_epoch", "--detail"]) == 2
    assert capsys.readouterr().err == ("benchmarks: names_epoch has no steps to split: leave --detail out\n")


@pytest.mark.usefixtures("results", "payload", "single_thread")
def test_a_number_of_threads_also_holds_for_processes(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # restored afterwards
    assert main(["run", "names_epoch", "--threads", "2", "--no-save"]) == 0
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize("threads", ["0", "-1", "two"])
def test_threads_that_are_no_count(threads, capsys):
    with pytest.raises(SystemExit):
        main(["run", "names_epoch", f"--threads={threads}"])
    assert f"argument --threads: invalid count value: '{threads}'" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--quick", "--no-save"])
@pytest.mark.usefixtures("payload")
def test_a_run_that_saves_nothing(results, flag):
    assert main(["run", "names_epoch", flag]) == 0
    assert not results.exists()


@pytest.mark.usefixtures("results", "payload")
def test_show_prints_the_saved_tables(capsys):
    main(["run", "names_epoch"])
    assert capsys.readouterr().out == "written: results/names_epoch-cpu-3.json\n"
    assert main(["show", "names_epoch"]) == 0
    place, heading, *_, again = capsys.readouterr().out.splitlines()
    assert place == "names_epoch on cpu-3"
    assert heading.startswith("one title: cpu, 15 rounds after 2 of warm-up; ratio to 'by hand'")
    assert again.startswith("by hand (again)")


@pytest.mark.usefixtures("results")
def test_each_number_of_threads_has_results_of_its_own(payload, capsys):
    for payload["environment"]["num_threads"] in (1, 2):
        main(["run", "names_epoch"])
    assert list(report.results_of("names_epoch")) == ["cpu-1", "cpu-2"]
    capsys.readouterr()
    main(["show", "names_epoch"])
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if " on " in line] == ["names_epoch on cpu-1", "names_epoch on cpu-2"]


@pytest.mark.usefixtures("results")
def test_show_without_results(capsys):
    assert main(["show", "names_epoch"]) == 2
    assert capsys.readouterr().err == "benchmarks: names_epoch has no saved results on cpu\n"


def test_loops_that_end_at_different_weights_are_not_compared():
    model = torch.nn.Linear(2, 1)
    other = copy.deepcopy(model)
    loop_overhead.check_equal(model, other)
    torch.nn.init.zeros_(other.bias)
    with pytest.raises(RuntimeError, match="the loops must end at the same weights, but bias differs"):
        loop_overhead.check_equal(model, other)
