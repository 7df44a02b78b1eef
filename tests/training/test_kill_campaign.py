"""Runs that are killed again and again end as one that was not: weights, optimizers, history and table.

Every process is forked from one that has imported torch, and ends by a real SIGKILL: its own at a moment of
the run, or ours by the clock. The moments are random, from a fixed seed.
"""

import json
import multiprocessing.connection
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from support.kills import NEVER, SCENARIOS, Moment, run_scenario

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have imported torch"),
]

NUM_CLOCK_KILLS = 2
TIMEOUT = 120.0


@pytest.fixture(scope="module")
def fork():
    """A server that imports once for all."""
    multiprocessing.set_forkserver_preload(["torch", "torch._dynamo", "torch.utils.data", "practicezoo"])
    context = multiprocessing.get_context("forkserver")
    first = context.Process(target=time.sleep, args=(0,))
    first.start()
    first.join()
    return context


class Campaign:
    """The processes of one run."""

    def __init__(self, fork, name: str, folder: Path) -> None:
        self.fork, self.name, self.folder = fork, name, folder
        self.num_kills, self.num_started = 0, 0
        folder.mkdir()

    def start(self, moment: Moment = NEVER):
        """A process, and the file where it will write what came of it."""
        self.num_started += 1
        outcome = self.folder / f"outcome-{self.num_started}.json"
        process = self.fork.Process(target=run_scenario, args=(self.name, self.folder, moment, outcome))
        process.start()
        return process, outcome

    def ends(self, process) -> None:
        """Wait for a process that was or will be killed."""
        process.join(TIMEOUT)
        assert process.exitcode == -signal.SIGKILL
        self.num_kills += 1

    def killed_at(self, moment: Moment) -> None:
        """Start a process that kills itself."""
        process, _ = self.start(moment)
        self.ends(process)

    def killed_after(self, seconds: float) -> None:
        """Start a process and kill it by the clock; it may have been faster."""
        process, _ = self.start()
        process.join(seconds)
        process.kill()
        process.join(TIMEOUT)
        assert process.exitcode in {0, -signal.SIGKILL}

    def survivor_first(self, both: list) -> list:
        """Of two processes, one of which ends, the other one before it, once it waits to be killed."""
        deadline = time.monotonic() + TIMEOUT
        ended = multiprocessing.connection.wait([process.sentinel for process, _ in both], TIMEOUT)
        both.sort(key=lambda each: each[0].sentinel in ended)
        while not (self.folder / f"waiting-{both[0][0].pid}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        both[1][0].join()
        return both

    def finished(self, moment: Moment = NEVER) -> dict:
        """Start a process that ends by itself, and return what came of it."""
        process, outcome = self.start(moment)
        process.join(TIMEOUT)
        assert process.exitcode == 0
        return json.loads(outcome.read_text())


def moments(chance: random.Random, num_updates: int) -> list[Moment]:
    """Moments that a chain of processes reaches one after the other: 24 updates at least, saved every 2."""
    return [
        Moment("update", chance.randrange(1, 6)),
        Moment("sync", chance.randrange(1, 6)),
        Moment("batch", chance.randrange(1, 8)),
        Moment("update", chance.randrange(num_updates - 10, num_updates - 4)),
        Moment("rename", chance.randrange(1, 3)),
        Moment("update", chance.randrange(num_updates - 1, num_updates + 1)),
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_again_and_again_a_run_ends_as_one_that_was_not(name, fork, tmp_path):
    chance = random.Random(name)  # noqa: S311
    start = time.perf_counter()
    whole = Campaign(fork, name, tmp_path / "whole").finished()
    seconds = time.perf_counter() - start
    num_epochs = len(whole["history"]["train_loss"])
    assert [row["epoch"] for row in whole["rows"]] == [str(epoch + 1) for epoch in range(num_epochs)]

    parts = Campaign(fork, name, tmp_path / "parts")
    for moment in moments(chance, whole["num_updates"]):
        parts.killed_at(moment)
    assert parts.num_kills == 6
    assert parts.finished() == whole

    by_the_clock = Campaign(fork, name, tmp_path / "clock")
    for _ in range(NUM_CLOCK_KILLS):
        by_the_clock.killed_after(chance.uniform(0.1, seconds))
    assert by_the_clock.finished() == whole


def test_a_worker_process_that_is_killed_ends_the_run_and_it_is_resumed(fork, tmp_path):
    name = "a_torch_generator_and_persistent_workers"
    whole = Campaign(fork, name, tmp_path / "whole").finished()
    parts = Campaign(fork, name, tmp_path / "parts")
    for update in (3, 10, 17):
        assert "error" in parts.finished(Moment("worker", update))  # torch's: where it was just then
    assert parts.finished() == whole


def test_of_two_runs_at_once_one_trains_and_is_killed_and_resumed(fork, tmp_path):
    """The killed one's worker processes live on for seconds: they hold no lock."""
    name = "a_numpy_sampler_and_persistent_workers_on_both_sides"
    whole = Campaign(fork, name, tmp_path / "whole").finished()
    parts = Campaign(fork, name, tmp_path / "parts")
    for update in (3, 17, 30, 58):
        both = [parts.start(Moment("wait", update)) for _ in range(2)]
        (process, outcome), (_, other_outcome) = parts.survivor_first(both)
        assert json.loads(other_outcome.read_text()) == {
            "error": f"BlockingIOError: {parts.folder} must be free, but another run trains into it"
        }
        assert not outcome.exists()
        process.kill()
        parts.ends(process)
    assert parts.num_kills == 4
    assert parts.finished() == whole
