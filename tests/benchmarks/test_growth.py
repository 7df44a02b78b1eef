"""Series that grow, what is fitted through them, and how they are drawn."""

import json
from functools import partial
from multiprocessing import active_children

import pytest

from benchmarks import growth, report, time_to_accuracy
from benchmarks.__main__ import main
from benchmarks.machine import resident_bytes
from benchmarks.processes import end_processes, in_processes
from practicezoo.runtime.processes import rank, world_size

FOUND = {"side": {"unit": "seconds", "sizes": [1, 2, 4], "values": [3.0, 12.0, 48.0], "exponent": 2.0}}


@pytest.mark.parametrize("power", [0, 1, 2.5])
def test_the_exponent_of_a_power_is_found(power):
    sizes = [28, 56, 112]
    assert growth.exponent(sizes, [7 * size**power for size in sizes]) == pytest.approx(power)


def test_sizes_take_turns_and_the_median_counts(monkeypatch):
    clock = iter([0, 5, 10, 11, 20, 22, 30, 31, 40, 47, 50, 51])
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    calls: list[int] = []
    setups = {size: partial(lambda size: partial(calls.append, size), size) for size in (1, 2)}
    found = growth.time_in_turns(setups, device="cpu", repeats=3)
    assert calls[:2] == [1, 2]  # warm-ups
    assert sorted(calls) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert set(found) == {1, 2}
    assert set(found.values()) <= {1.0, 2.0, 5.0, 7.0}


def write_own_place(folder):
    """A step that notes which of the processes it runs in."""
    return (folder / f"{rank()} of {world_size()}").touch


def test_processes_train_together(tmp_path):
    step = in_processes(2, partial(write_own_place, tmp_path), device="cpu")
    assert not any(tmp_path.iterdir())
    step()
    assert {path.name for path in tmp_path.iterdir()} == {"0 of 2", "1 of 2"}
    before = len(active_children())
    end_processes()
    assert len(active_children()) <= before - 2


def test_each_process_trains_its_part_of_a_batch(monkeypatch):
    seen = []
    monkeypatch.setattr(growth, "rank", lambda: 1)
    monkeypatch.setattr(growth, "world_size", lambda: 2)
    monkeypatch.setattr(growth, "_epoch", lambda _model, loader: seen.append(len(next(iter(loader))[1])))
    growth.images_step(device="cpu", num_images=256)
    assert seen == [growth.BATCH_SIZE // 2]


def test_memory_is_read_ten_times():
    found = growth.memory_over_epochs(device="cpu", epochs=20)
    assert list(found) == list(range(2, 21, 2))
    assert all(value > 2**24 for value in found.values())
    assert resident_bytes() == pytest.approx(found[20], rel=0.5)


def test_report_draws_growth(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    payload = {
        "environment": report.environment("cpu", "fp32", {"order": 0}),
        "comparisons": {},
        "growth": FOUND,
    }
    (tmp_path / "growth-cpu.json").write_text(json.dumps(payload))
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert main(["report", "--out", str(tmp_path / "out")]) == 0
    (drawn,) = (tmp_path / "out").glob("*-growth-cpu.svg")
    assert "<svg" in drawn.read_text(encoding="utf-8")
    assert f"written: {drawn}" in capsys.readouterr().out


def test_report_without_matplotlib(tmp_path, monkeypatch, capsys):
    payload = {
        "environment": report.environment("cpu", "fp32", {"order": 0}),
        "comparisons": {},
        "growth": FOUND,
    }
    (tmp_path / "growth-cpu.json").write_text(json.dumps(payload))
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert main(["report", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "benchmarks: the plots need 'matplotlib.figure', which is not installed\n"
    )


def test_a_mean_over_seeds_has_a_lower_end():
    found = time_to_accuracy.summary([0.98, 0.99, 1.0, 0.99])
    assert found["mean"] == pytest.approx(0.99)
    assert found["standard_deviation"] == pytest.approx(0.0081649658)
    assert found["lower"] == pytest.approx(0.99 - 1.96 * 0.0081649658 / 2)


def test_each_seed_trains_another_network():
    experiment = time_to_accuracy.prepared(device="cpu", quick=True)
    again = [time_to_accuracy.train(experiment)[1] for _ in range(2)]
    assert again[0] == again[1]
    assert len(experiment.splits.train[1]) == len(experiment.held_out) == time_to_accuracy.QUICK_SIZE
