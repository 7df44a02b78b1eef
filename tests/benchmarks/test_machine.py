"""What a result tells of its machine: rates, load, the GPU's state, and whether it was crowded."""

import itertools
import os
import stat
import sys
from types import SimpleNamespace

import pytest
import torch

from benchmarks.energy import energy_counter, energy_tables, joules_of
from benchmarks.machine import crowding, device_rates, gpu_state, machine_of, snapshot
from benchmarks.report import environment, saved_results

FP32 = "fp32 operations in a product"
HERE = {"device": "cpu", "processor": "one kind", "num_threads": 1}


def payload(*rates, **changed):
    moments = {f"moment {number}": {"rates": {FP32: rate}} for number, rate in enumerate(rates)}
    return {"environment": HERE | {"machine": moments} | changed}


def test_rates_are_those_of_the_device_now():
    rates = device_rates("cpu", quick=True)
    assert list(rates) == ["copied bytes", FP32, "bf16 operations in a product"]
    assert all(rate > 1e6 for rate in rates.values())


def test_a_snapshot_has_load_and_rates(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.25, 0.125))
    found = snapshot("cpu", quick=True)
    assert found["load_average"] == [0.5, 0.25, 0.125]
    assert found["gpu"] is None
    monkeypatch.delattr(os, "getloadavg")
    assert snapshot("cpu", quick=True)["load_average"] is None


@pytest.mark.parametrize(("slowest", "crowded"), [(70.0, False), (69.0, True)])
def test_a_run_below_seven_tenths_of_the_best_rate_is_crowded(slowest, crowded):
    own = payload(90.0, slowest)["environment"]
    found = crowding(own, [payload(100.0), payload(999.0, num_threads=2), payload(999.0, processor="other")])
    assert found == {"of_best_rate": slowest / 100, "crowded": crowded}


def test_a_grids_own_rates_count():
    found = crowding(payload(50.0)["environment"], [payload() | {"grid": {"rates": {FP32: 100.0}}}])
    assert found == {"of_best_rate": 0.5, "crowded": True}


def test_on_an_unknown_processor_a_run_is_compared_with_itself():
    assert crowding(payload(80.0, 100.0)["environment"], []) == {"of_best_rate": 0.8, "crowded": False}


def test_cards_are_told_apart_by_their_name_alone():
    card = HERE | {"device": "NVIDIA H100"}
    assert machine_of(card) == machine_of(card | {"processor": "other", "num_threads": 8})


def test_committed_results_are_not_crowded():
    results = saved_results()
    assert results
    assert not [name for name, found in results.items() if found["environment"].get("crowded")]


def test_the_commit_and_whether_something_changed():
    found = environment("cpu", "fp32", {})
    assert found["commit"] is None or len(found["commit"]) == 40
    assert found["dirty"] in {None, True, False}
    assert (found["commit"] is None) == (found["dirty"] is None)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A stand-in for the driver's tool that prints what the test says, and remembers its arguments."""

    def make(output, status=0):
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "{output}"\nexit {status}\n')
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda _device: SimpleNamespace(uuid="12-34")
        )
        return tmp_path / "arguments"

    return make


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_the_state_of_a_card(nvidia_smi):
    arguments = nvidia_smi("580.1, 1980, 2619, 345.67, 41, 0x0000000000000044")
    assert gpu_state("cuda") == {
        "driver": "580.1",
        "clock_mhz": 1980.0,
        "memory_clock_mhz": 2619.0,
        "power_watts": 345.67,
        "temperature_celsius": 41.0,
        "throttle_reasons": ["power limit", "heat, by hardware"],
    }
    assert "--id=GPU-12-34" in arguments.read_text()


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_what_a_card_does_not_tell_is_none(nvidia_smi):
    nvidia_smi("580.1, 1980, 2619, [N/A], 41, 0x0")
    state = gpu_state("cuda")
    assert state is not None
    assert (state["power_watts"], state["throttle_reasons"]) == (None, [])
    nvidia_smi("No devices were found", status=6)
    assert gpu_state("cuda") is None


def test_without_the_tool_there_is_no_state(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert gpu_state("cuda") is None


class Card:
    """A stand-in for the driver's library: a card of 200 watts that counts, or does not."""

    class NVMLError(Exception):
        """Its error."""

    def __init__(self, clock, *, counts):
        self.clock, self.counts, self.asked = clock, counts, []

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        self.asked.append(uuid)
        return "card"

    def nvmlDeviceGetTotalEnergyConsumption(self, card):  # noqa: N802
        if not self.counts:
            raise self.NVMLError
        return round(200_000 * self.clock())


@pytest.fixture
def clock():
    """A clock that goes on by an eighth of a second with each reading."""
    return (tick / 8 for tick in itertools.count()).__next__


@pytest.mark.parametrize("counts", [True, False])
def test_a_card_counts_its_energy_or_does_not(monkeypatch, clock, counts):
    card = Card(clock, counts=counts)
    monkeypatch.setitem(sys.modules, "pynvml", card)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: SimpleNamespace(uuid="12-34"))
    counter = energy_counter("cuda")
    assert card.asked == ["GPU-12-34"]
    assert (counter is not None) == counts
    assert counter is None or counter() == 25.0


def test_without_a_card_or_its_library_nothing_tells_of_energy(monkeypatch):
    assert energy_counter("cpu") is None
    assert energy_tables({"a": lambda: lambda: None}, "a step", "cpu", quick=False) == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy_counter("cuda") is None


def test_joules_of_a_step():
    """A step takes two seconds, the card 50 watts."""
    now = [0.0]

    def step():
        now[0] += 2.0

    found = joules_of(step, lambda: 50 * now[0], seconds=5, wait=lambda: None, clock=lambda: now[0])
    assert found == pytest.approx(100)
    assert now == [2 + 3 * 2]
