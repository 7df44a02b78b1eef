"""Laws of the timing module, on a clock that only the arms move."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from benchmarks.tables import comparison_table, format_seconds, payload_tables
from benchmarks.timing import MIN_ROUNDS, QUICK_ROUNDS, Arm, Comparison, compare, paired_ratio


class FakeClock:
    """A clock that stands still unless it is told to advance, best by powers of two: they add exactly."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def constant(clock: FakeClock, name: str, seconds: float, *, setup: float = 0.0, work: float = 1) -> Arm:
    """An arm whose steps all take the same time."""

    def start() -> Callable[[], None]:
        clock.advance(setup)
        return lambda: clock.advance(seconds)

    return Arm(name, start, work, "items")


def logged(log: list[str], clock: FakeClock, name: str) -> Arm:
    """An arm that writes its name down at each step."""

    def step() -> None:
        log.append(name)
        clock.advance(1.0)

    return Arm(name, lambda: step, 1, "items")


def compare_fake(clock: FakeClock, *arms: Arm, **settings) -> Comparison:
    return compare(arms, reference=arms[0].name, clock=clock, **settings)


def cells(line: str) -> list[str]:
    """The cells of a line of the table, which two blanks or more separate."""
    return re.split(" {2,}", line)


def test_every_round_is_a_permutation_of_the_arms():
    log: list[Any] = []
    clock = FakeClock()
    compare_fake(clock, *(logged(log, clock, name) for name in "abc"), warmup=2, rounds=20)
    untimed, first_steps = log[:1], log[1:5]
    assert untimed == ["a"]
    assert first_steps == ["a", "b", "c", "a"]
    rounds = [log[start : start + 4] for start in range(5, len(log), 4)]
    assert len(rounds) == 22
    assert all(sorted(order) == ["a", "a", "b", "c"] for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1


def test_the_order_is_a_function_of_the_seed():
    logs = []
    for seed in (0, 0, 1):
        log: list[Any] = []
        clock = FakeClock()
        compare_fake(clock, *(logged(log, clock, name) for name in "abc"), seed=seed)
        logs.append(log)
    assert logs[0] == logs[1] != logs[2]


def test_setup_first_step_and_warmup_are_not_counted():
    clock = FakeClock()

    def setup() -> Callable[[], None]:
        clock.advance(100)
        durations = iter([50.0, 20.0, 10.0])  # the first step and two rounds of warm-up
        return lambda: clock.advance(next(durations, 1.0))

    comparison = compare_fake(clock, Arm("a", setup, 3, "items"), warmup=2)
    assert [measurement.name for measurement in comparison.measurements] == ["a", "a (again)"]
    for measurement in comparison.measurements:
        assert (measurement.setup, measurement.first_step) == (100, 50)
        assert measurement.rounds == (1.0,) * MIN_ROUNDS
        assert (measurement.low, measurement.median, measurement.high) == (1, 1, 1)
        assert measurement.throughput == 3


def test_what_the_process_pays_once_falls_to_no_arm():
    clock = FakeClock()
    once = [32.0]

    def setup() -> Callable[[], None]:
        clock.advance(once.pop() if once else 1.0)
        return partial(clock.advance, 1.0)

    comparison = compare_fake(clock, Arm("a", setup, 1, "items"), Arm("b", setup, 1, "items"))
    assert [measurement.setup for measurement in comparison.measurements] == [1.0] * 3


def test_ratios_are_paired_by_round_so_that_drift_cancels():
    clock = FakeClock()

    def drifting(name: str, seconds: float) -> Arm:
        def setup() -> Callable[[], None]:
            taken: list[Any] = []

            def step() -> None:
                taken.append(seconds * 2 ** len(taken))
                clock.advance(taken[-1])

            return step

        return Arm(name, setup, 1, "items")

    comparison = compare_fake(clock, drifting("a", 1.0), drifting("b", 3.0))
    ratio = comparison["b"].ratio
    assert (ratio.low, ratio.median, ratio.high) == (3, 3, 3)
    assert comparison.trustworthy


def test_a_lying_repeat_of_the_reference_is_flagged():
    clock = FakeClock()
    durations = iter([1.0, 1.0, 1.125])  # the last one is that of the repeated reference

    def setup() -> Callable[[], None]:
        return partial(clock.advance, next(durations))

    comparison = compare_fake(clock, Arm("a", setup, 1, "items"), constant(clock, "b", 2.0))
    assert not comparison.trustworthy
    assert comparison.attempt == 3
    assert comparison["a (again)"].ratio.median == 1.125
    assert "WARNING: not trustworthy: 'a' measured twice differs from itself" in comparison.table()


def test_doubtful_rounds_are_timed_anew():
    clock = FakeClock()
    warmup, rounds = 2, MIN_ROUNDS
    first_attempt = 1 + warmup + rounds  # with the first step
    setups = iter("abc")

    def setup() -> Callable[[], None]:
        is_repeat, steps = next(setups) == "c", iter(range(10_000))
        return lambda: clock.advance(1.5 if is_repeat and next(steps) < first_attempt else 1.0)

    comparison = compare_fake(clock, Arm("a", setup, 1, "items"), warmup=warmup, rounds=rounds)
    assert (comparison.trustworthy, comparison.attempt) == (True, 2)
    assert comparison["a (again)"].rounds == (1.0,) * rounds


def test_an_honest_table_has_no_warning():
    clock = FakeClock()
    comparison = compare_fake(clock, constant(clock, "a", 1.0), constant(clock, "b", 0.5))
    assert comparison.trustworthy
    assert "WARNING" not in comparison.table()


def test_the_table_reads_the_same_from_json():
    clock = FakeClock()
    arms = constant(clock, "a", 1 / 64, setup=2, work=256), constant(clock, "b", 1 / 128, work=256)
    comparison = compare_fake(clock, *arms)
    table = comparison_table(json.loads(json.dumps(comparison.to_dict())))
    assert table == comparison.table()
    heading, header, a, b, again = table.splitlines()
    assert heading == "cpu, 15 rounds after 2 of warm-up; ratio to 'a', below 1 is faster"
    assert cells(header) == ["arm", "median", "10-90 %", "throughput", "ratio [95 %]", "set-up", "first step"]
    assert cells(a) == ["a", "15.6 ms", "15.6 ms - 15.6 ms", "16,384 items/s", "1", "2.00 s", "15.6 ms"]
    assert cells(b)[1] == "7.81 ms"
    assert cells(b)[4] == "0.500 [0.500, 0.500]"
    assert cells(again)[0] == "a (again)"
    assert len({len(line) for line in (header, a, b, again)}) == 1


def test_the_bootstrap_is_a_function_of_the_seed():
    seconds = [1.0 + 0.01 * (index % 7) for index in range(30)]
    reference = [1.0 + 0.01 * (index % 5) for index in range(30)]
    first, same, other = (paired_ratio(seconds, reference, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.median == other.median
    assert first.low < first.median < first.high


def test_the_interval_narrows_with_more_rounds():
    few, many = (
        paired_ratio([1.0 + 0.01 * (index % 11) for index in range(count)], [1.0] * count, seed=0)
        for count in (11, 220)
    )
    assert many.high - many.low < few.high - few.low


def test_on_cuda_the_clock_waits_for_the_device(monkeypatch):
    clock = FakeClock()
    queue: list[Any] = []

    def synchronize(_device: torch.device) -> None:
        while queue:
            clock.advance(queue.pop())

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    arm = Arm("a", lambda: lambda: queue.append(2.0), 1, "items")
    comparison = compare_fake(clock, arm, device="cuda")
    assert comparison["a"].rounds == (2.0,) * MIN_ROUNDS


def test_a_self_timed_arm_is_believed():
    clock = FakeClock()

    def step() -> float:
        clock.advance(100)
        return 0.25

    comparison = compare_fake(clock, Arm("a", lambda: step, 1, "imports", self_timed=True))
    assert comparison["a"].first_step == 0.25
    assert comparison["a"].median == 0.25


def test_a_self_timed_arm_must_return_seconds():
    clock = FakeClock()
    arm = Arm("a", lambda: lambda: None, 1, "imports", self_timed=True)
    with pytest.raises(TypeError, match="the step of the self-timed arm 'a' must return seconds, got None"):
        compare_fake(clock, arm)


def test_a_quick_run_is_short_and_says_so():
    clock = FakeClock()
    comparison = compare_fake(clock, constant(clock, "a", 1.0), quick=True, warmup=5)
    assert len(comparison["a"].rounds) == QUICK_ROUNDS
    assert comparison.warmup == 1
    assert "quick run" in comparison.table()


def test_too_few_rounds():
    clock = FakeClock()
    with pytest.raises(ValueError, match="rounds must be at least 15 unless quick=True, got 14"):
        compare_fake(clock, constant(clock, "a", 1.0), rounds=14)


def test_a_reference_that_is_no_arm():
    clock = FakeClock()
    arms = [constant(clock, "a", 1.0), constant(clock, "b", 1.0)]
    with pytest.raises(ValueError, match=r"reference must be the name of an arm \(a, b\), got 'c'"):
        compare(arms, reference="c", clock=clock)


@pytest.mark.parametrize("name", ["a", "a (again)"])
def test_names_that_repeat(name):
    clock = FakeClock()
    with pytest.raises(ValueError, match="arms must have different names, got a, "):
        compare_fake(clock, constant(clock, "a", 1.0), constant(clock, name, 1.0))


def test_an_unknown_measurement():
    clock = FakeClock()
    with pytest.raises(KeyError, match="b"):
        compare_fake(clock, constant(clock, "a", 1.0))["b"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (1234, "1,234 s"), (0.0456, "45.6 ms"), (7.89e-6, "7.89 us")]
)
def test_seconds_are_written_in_the_unit_that_suits_them(seconds, text):
    assert format_seconds(seconds) == text


def test_accuracies_tell_how_much_the_best_arm_is_better():
    found = {"tuned": [0.9, 0.8], "plain": [0.5, 0.6]}
    payload = {"comparisons": {}, "accuracies": {"letters": found}, "quick": False}
    (table,) = payload_tables(payload)
    assert (table.title, table.heading) == ("letters", "")
    assert table.rows[1:] == [("tuned", "85.0%", "5.0%", "2"), ("plain", "55.0%", "5.0%", "2")]
    assert table.notes == ["tuned is 30.0 points ahead of plain"]
    assert str(table).startswith("letters\narm")
