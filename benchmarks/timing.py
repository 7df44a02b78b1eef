"""Honest timing: the arms of a comparison take turns in shuffled order, next to a repeated reference.

A machine changes speed while it measures. Arms that run one after the other therefore measure the
machine; arms that take turns and are compared round by round measure the code. The reference runs
twice, as two arms: where the two differ, nothing else in the table can be trusted, and it says so.
"""

import gc
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.tables import comparison_table

__all__ = ["Arm", "Comparison", "Measurement", "Ratio", "compare", "paired_ratio"]

MIN_ROUNDS = 15
MOST_ATTEMPTS = 3
QUICK_ROUNDS = 3
QUICK_WARMUP = 1
NUM_RESAMPLES = 10_000

Step = Callable[[], float | None]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Arm:
    """One contestant of a comparison.

    Args:
        name: What the table calls it.
        setup: Builds the state (data, model, optimizer) and returns the step to time. It must build
            everything afresh: it is called more than once for the reference.
        work: How many units one step processes.
        unit: The unit's name in the plural, such as "names".
        self_timed: The step returns the seconds it took (measured in another process, say) instead
            of being timed from outside.
    """

    name: str
    setup: Callable[[], Step]
    work: float
    unit: str
    self_timed: bool = False


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios with its bootstrap 95 % interval; below 1 is faster."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """What one arm took. Seconds; `low` and `high` are the 10 % and 90 % quantiles of the rounds."""

    name: str
    work: float
    unit: str
    setup: float
    first_step: float
    median: float
    low: float
    high: float
    ratio: Ratio
    rounds: tuple[float, ...]

    @property
    def throughput(self) -> float:
        """Units per second at the median."""
        return self.work / self.median


@dataclass(frozen=True)
class Comparison:
    """Every arm's measurement, in the order given, with the repeated reference last.

    `trustworthy` is False when the repeated reference differs from the reference: the 95 % interval
    of their ratio leaves out 1. Noise alone does that about once in twenty comparisons, so the rounds are
    then timed anew, at most three times in all; only the last `attempt` is reported.
    """

    reference: str
    device: str
    seed: int
    warmup: int
    quick: bool
    trustworthy: bool
    attempt: int
    measurements: tuple[Measurement, ...]

    def __getitem__(self, name: str) -> Measurement:
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(name)

    def to_dict(self) -> dict:
        """Return everything as plain dicts, lists, strings and numbers, ready for JSON."""
        arms = [
            asdict(measurement) | {"rounds": list(measurement.rounds), "throughput": measurement.throughput}
            for measurement in self.measurements
        ]
        return asdict(self) | {"measurements": arms}

    def table(self) -> str:
        """Return the aligned text table."""
        return comparison_table(self.to_dict())


def compare(
    arms: Sequence[Arm],
    *,
    reference: str,
    rounds: int = MIN_ROUNDS,
    warmup: int = 2,
    quick: bool = False,
    device: str = "cpu",
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> Comparison:
    """Time the arms in turns and relate each to the reference.

    Each arm's set-up and first step are reported apart from its rounds. Before anything is timed the
    reference is set up and steps once, so that no arm pays for what the process loads only once.

    Args:
        arms: The contestants, names unlike one another.
        reference: The name of the arm that the others are divided by, and that runs twice.
        rounds: How often each arm is timed, at least 15; a quick run takes 3 at most.
        warmup: Rounds that run first and are not counted; a quick run takes 1 at most.
        quick: Check that everything runs. The numbers mean little.
        device: Where the arms compute. On CUDA every reading of the clock waits for the device.
        seed: Seed of the order within the rounds and of the bootstrap.
        clock: Seconds from an arbitrary start.

    Raises:
        ValueError: If names repeat, the reference is none of them, or there are too few rounds.
    """
    arms = _with_repeated_reference(arms, reference)
    if rounds < MIN_ROUNDS and not quick:
        raise ValueError(f"rounds must be at least {MIN_ROUNDS} unless quick=True, got {rounds}")
    if quick:
        rounds = min(rounds, QUICK_ROUNDS)
        warmup = min(warmup, QUICK_WARMUP)
    stopwatch = _Stopwatch(clock, torch.device(device))

    arms[-1].setup()()
    steps = {}
    setup_seconds = {}
    for arm in arms:
        steps[arm.name], setup_seconds[arm.name] = stopwatch.time(arm.setup)
    first_step_seconds = {arm.name: stopwatch.time_step(arm, steps[arm.name]) for arm in arms}

    order = random.Random(seed)
    attempt, trustworthy = 0, False
    while not trustworthy and attempt < (1 if quick else MOST_ATTEMPTS):
        attempt += 1
        seconds = _time_rounds(arms, steps, stopwatch, order, rounds=rounds, warmup=warmup)
        ratios = {name: paired_ratio(own, seconds[reference], seed=seed) for name, own in seconds.items()}
        repeated = ratios[arms[-1].name]
        trustworthy = repeated.low <= 1 <= repeated.high
    measurements = tuple(
        _measurement(
            arm,
            setup=setup_seconds[arm.name],
            first_step=first_step_seconds[arm.name],
            seconds=seconds[arm.name],
            ratio=ratios[arm.name],
        )
        for arm in arms
    )
    return Comparison(
        reference=reference,
        device=device,
        seed=seed,
        warmup=warmup,
        quick=quick,
        trustworthy=trustworthy,
        attempt=attempt,
        measurements=measurements,
    )


def _time_rounds(
    arms: Sequence[Arm],
    steps: Mapping[str, Step],
    stopwatch: "_Stopwatch",
    order: random.Random,
    *,
    rounds: int,
    warmup: int,
) -> dict[str, list[float]]:
    """Return the seconds of each arm in the rounds that count."""
    seconds: dict[str, list[float]] = {arm.name: [] for arm in arms}
    for round_index in range(warmup + rounds):
        for arm in order.sample(arms, k=len(arms)):
            elapsed = stopwatch.time_step(arm, steps[arm.name])
            if round_index >= warmup:
                seconds[arm.name].append(elapsed)
    return seconds


def paired_ratio(seconds: Sequence[float], reference_seconds: Sequence[float], *, seed: int) -> Ratio:
    """Relate two arms round by round.

    Args:
        seconds: The arm's rounds.
        reference_seconds: The reference's, in the same order.
        seed: Seed of the bootstrap, which draws rounds with replacement.
    """
    ratios = np.asarray(seconds) / np.asarray(reference_seconds)
    draws = np.random.default_rng(seed).integers(len(ratios), size=(NUM_RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[draws], axis=1), [0.025, 0.975])
    return Ratio(median=float(np.median(ratios)), low=float(low), high=float(high))


def _with_repeated_reference(arms: Sequence[Arm], reference: str) -> list[Arm]:
    """Return the arms and, last, the reference under a second name."""
    names = [arm.name for arm in arms]
    if reference not in names:
        raise ValueError(f"reference must be the name of an arm ({', '.join(names)}), got {reference!r}")
    arm = arms[names.index(reference)]
    repeated = Arm(f"{arm.name} (again)", arm.setup, arm.work, arm.unit, arm.self_timed)
    names.append(repeated.name)
    if len(set(names)) < len(names):
        raise ValueError(f"arms must have different names, got {', '.join(names)}")
    return [*arms, repeated]


def _measurement(
    arm: Arm, *, setup: float, first_step: float, seconds: Sequence[float], ratio: Ratio
) -> Measurement:
    low, median, high = np.quantile(seconds, [0.1, 0.5, 0.9])
    return Measurement(
        name=arm.name,
        work=arm.work,
        unit=arm.unit,
        setup=setup,
        first_step=first_step,
        median=float(median),
        low=float(low),
        high=float(high),
        ratio=ratio,
        rounds=tuple(seconds),
    )


@dataclass(frozen=True)
class _Stopwatch:
    """Times calls, from an idle device to an idle device."""

    clock: Clock
    device: torch.device

    def time(self, call: Callable[[], Any]) -> tuple[Any, float]:
        """Return what the call returns and the seconds it took."""
        # What the previous arm left behind must not be collected on this one's account.
        gc.collect(1)
        self._wait_for_device()
        start = self.clock()
        result = call()
        self._wait_for_device()
        return result, self.clock() - start

    def time_step(self, arm: Arm, step: Step) -> float:
        """Return the seconds of one step, by the step's own account where it times itself."""
        result, seconds = self.time(step)
        if not arm.self_timed:
            return seconds
        if not isinstance(result, float):
            raise TypeError(
                f"the step of the self-timed arm {arm.name!r} must return seconds, got {result!r}"
            )
        return result

    def _wait_for_device(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
