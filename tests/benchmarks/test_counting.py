"""What a step is made of is counted exactly where it can be told by hand."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.counting import count_launches, count_work, extra_bytes, held_bytes
from benchmarks.detail import PHASES, split_step
from benchmarks.grid import example
from benchmarks.training_step import training_job
from practicezoo import create_model

N, IN, OUT = 5, 3, 2
FLOAT = 4


def test_launches_are_told_from_other_events():
    names = ["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaGraphLaunch"]
    others = ["aten::mm", "cudaMemcpyAsync", "cudaDeviceSynchronize", "sgemm_128x64"]
    assert count_launches(names + others) == 4


def test_a_product_is_counted_in_operations_and_bytes():
    left, right = torch.ones(N, IN), torch.ones(IN, OUT)
    moved = FLOAT * (N * IN + IN * OUT + N * OUT)
    assert count_work(lambda: left @ right) == {"operations": 2 * N * IN * OUT, "bytes": moved}


def test_a_view_moves_nothing_and_an_update_in_place_reads_and_writes():
    values = torch.ones(N)
    assert count_work(lambda: values[1:].view(2, 2).detach()) == {"operations": 0, "bytes": 0}
    assert count_work(lambda: values.add_(1))["bytes"] == 2 * FLOAT * N


def test_backward_and_the_optimizer_count():
    model = nn.Linear(IN, OUT)
    inputs, targets = torch.zeros(N, IN), torch.zeros(N, dtype=torch.int64)
    forward = count_work(lambda: model(inputs))
    step, _ = training_job(model, inputs, targets, "fp32")
    step()
    whole = count_work(step)
    assert whole["operations"] == 2 * forward["operations"]  # the inputs need no gradient
    assert whole["bytes"] > forward["bytes"] + 7 * FLOAT * (
        IN * OUT + OUT
    )  # Adam's moments, read and written


@pytest.mark.parametrize("name", ["names_gru", "mnist_cnn"])
def test_operations_grow_with_the_batch(name):
    model = create_model(name).eval()
    with torch.no_grad():
        few, many = (count_work(partial(model, example(name, size)[0]))["operations"] for size in (2, 4))
    assert many == 2 * few > 0


def test_held_memory():
    model = nn.Linear(3, 2)  # 8 weights
    inputs, targets = torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64)
    weights, batch = 8 * 4, 15 * 4 + 5 * 8
    assert held_bytes(model, None, inputs, targets) == weights + batch
    step, optimizer = training_job(model, inputs, targets, "fp32")
    step()
    num_steps = 2 * 4  # Adam counts for each of the two parameters
    assert held_bytes(model, optimizer, inputs, targets) == 4 * weights + batch + num_steps


def test_memory_beyond_what_is_held_is_the_peak_of_a_step():
    def step():
        first = torch.empty(1000, dtype=torch.uint8)
        del first
        second, third = torch.empty(3000, dtype=torch.uint8), torch.empty(2000, dtype=torch.uint8)
        del second, third
        torch.empty(4000, dtype=torch.uint8)

    assert extra_bytes(step, "cpu") == 5000


@pytest.mark.parametrize("trains", [True, False])
def test_the_phases_of_a_step(trains, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    model = nn.Linear(IN, OUT)
    inputs, targets = torch.zeros(N, IN), torch.zeros(N, dtype=torch.int64)
    if trains:
        step, optimizer = training_job(model, inputs, targets, "fp32")
    else:
        step, optimizer = lambda: model(inputs), None
    phases = split_step(step, model, optimizer, inputs, targets, quick=True)
    assert list(phases) == (list(PHASES) if trains else ["data", "forward", "rest"])
    assert phases == dict.fromkeys(phases, 1.0) | {"data": 1 / 8, "rest": 2.0}  # readings of the clock
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
