"""The grid: its arms compute the same, its table reads from JSON, and what it counts is right."""

import json
import re

import pytest
import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException
from torch.testing import assert_close

from benchmarks import grid
from benchmarks.grid import example, measure_model, measured_models
from benchmarks.inference import inference_job
from benchmarks.tables import cells_table, payload_text
from benchmarks.training_step import training_job
from practicezoo import create_model


@pytest.fixture(scope="module")
def cells():
    torch.set_num_threads(1)
    cells, _ = measure_model("mnist_cnn", training_job, modes=["eager"], device="cpu", quick=True)
    return cells


@pytest.mark.parametrize("name", measured_models())
def test_every_model_that_is_measured_has_an_example(name):
    inputs, targets = example(name, 3)
    logits = create_model(name)(inputs)
    assert len(inputs) == len(targets) == 3
    assert nn.functional.cross_entropy(logits, targets).isfinite()


def test_a_model_without_an_example():
    message = r"EXAMPLES in benchmarks/grid.py must have a line for every model, got none for new_model"
    with pytest.raises(ValueError, match=message):
        example("new_model", 3)


def test_the_arms_of_a_cell(cells):
    (cell,) = cells
    assert (cell["model"], cell["batch_size"], cell["steps"]) == ("mnist_cnn", 4, 1)
    names = [arm["name"] for arm in cell["measurements"]]
    expected = ["eager fp32", "eager fp32 channels_last", "eager bf16", "eager bf16 channels_last"]
    assert names == [*expected, "eager fp32 (again)"]
    assert all(arm["work"] == 4 for arm in cell["measurements"])


def test_a_model_that_cannot_be_compiled_is_measured_eager(monkeypatch):
    def fail(*_arguments):
        raise TorchDynamoException("no such kernel")

    monkeypatch.setattr("torch.compile", lambda _model, **_: fail)
    (cell,), left_out = measure_model(
        "mnist_mlp",
        lambda model, inputs, targets, precision: (lambda: model(inputs), None),
        modes=["eager", "compiled"],
        device="cpu",
        quick=True,
    )
    assert {arm["name"] for arm in cell["measurements"]} == {"eager fp32", "eager bf16", "eager fp32 (again)"}
    assert left_out == ["compiled mnist_mlp at batch size 4 and above: TorchDynamoException"]


def test_layouts_are_for_convolutions_only():
    (cell,), _ = measure_model("mnist_mlp", inference_job, modes=["eager"], device="cpu", quick=True)
    names = [arm["name"] for arm in cell["measurements"]]
    assert names == ["eager fp32", "eager bf16", "eager fp32 (again)"]


def test_milliseconds_are_of_one_step(cells):
    (cell,) = cells
    arm = cell["measurements"][0] | {"low": 0.01, "median": 0.02, "high": 0.04, "throughput": 1600.0}
    table = cells_table([cell | {"steps": 8, "measurements": [arm]}])
    heading, header, row, quick = table.splitlines()
    assert heading == (
        "mnist_cnn: cpu, 3 rounds after 1 of warm-up; ratio to 'eager fp32', below 1 is faster"
    )
    assert header.split("  ")[-2:] == ["first round", "peak memory"]
    assert re.split(" {2,}", row)[:5] == ["eager fp32", "4", "2.50", "1.25 - 5.00", "1,600"]
    assert quick.startswith("quick run")


def test_columns_that_only_cuda_has(cells):
    (cell,) = cells
    arms = [arm | {"launches": 1234, "peak_bytes": 3 * 2**19} for arm in cell["measurements"]]
    _, header, row, *_ = cells_table([cell | {"measurements": arms}]).splitlines()
    assert header.endswith("launches  peak memory")  # without rates nothing is related to them
    assert row.endswith("1,234     1.50 MiB")


def test_each_arm_says_what_it_computes_and_reaches():
    rates = {"copied bytes": 1e9, "fp32 operations in a product": 1e9, "bf16 operations in a product": 2e9}
    (cell,), _ = measure_model(
        "mnist_mlp", training_job, modes=["eager"], device="cpu", quick=True, rates=rates, detail=True
    )
    arms = {arm["name"]: arm for arm in cell["measurements"]}
    layers = [parameter for parameter in create_model("mnist_mlp").parameters() if parameter.ndim == 2]
    first, *others = (2 * 4 * weight.numel() for weight in layers)
    assert arms["eager fp32"]["operations"] == 2 * first + 3 * sum(others)  # pixels need no gradient
    for name, rate in (("eager fp32", 1e9), ("eager bf16", 2e9), ("eager fp32 (again)", 1e9)):
        arm = arms[name]
        assert arm["of_product_rate"] == pytest.approx(arm["operations"] / arm["median"] / rate)
        assert arm["of_copy_rate"] == pytest.approx(arm["bytes"] / arm["median"] / 1e9)
    assert arms["eager fp32"]["peak_bytes"] > 4 * 4 * sum(
        weight.numel() for weight in layers
    )  # with Adam's two
    assert list(cell["detail"]) == ["data", "forward", "backward", "optimizer", "rest"]


def test_a_doubtful_cell_is_named(cells):
    (cell,) = cells
    measured = [cell | {"quick": False, "trustworthy": trustworthy} for trustworthy in (False, True)]
    measured[0]["batch_size"] = 64
    last = cells_table(measured).splitlines()[-1]
    assert last == "doubtful at batch size 64: 'eager fp32' measured twice differs from itself"
    assert "doubtful" not in cells_table(measured[1:])


def test_the_text_of_a_payload_reads_the_same_from_json(cells):
    found = {"rates": {"copied bytes": 12.34e9}, "left_out": ["one thing"], "cells": cells}
    payload = {"environment": {}, "comparisons": {}, "grid": found}
    text = payload_text(json.loads(json.dumps(payload)))
    assert text == payload_text(payload)
    first, second, *table = text.splitlines()
    assert first == "the device: 12.3 billion copied bytes a second"
    assert second == "left out: one thing"
    assert "\n".join(table) == cells_table(cells)


def test_short_steps_are_repeated(monkeypatch):
    clock = iter([0.0, 0.005])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert grid._steps_in_a_round(lambda: None, "cpu") == 4


@pytest.mark.parametrize("name", ["mnist_cnn", "names_gru"])
def test_jobs(name):
    model = create_model(name).train()
    inputs, targets = example(name, 3)
    step, optimizer = inference_job(model, inputs, targets, "bf16")
    step()
    assert optimizer is None
    was_training = model.training
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step, _ = training_job(model, inputs, targets, "bf16")
    step()
    assert (was_training, model.training) == (False, True)
    with pytest.raises(AssertionError):
        assert_close(dict(model.state_dict()), before)


@pytest.mark.slow
@pytest.mark.parametrize("job", [training_job, inference_job])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
def test_compiled_models(job, monkeypatch):
    monkeypatch.setattr(grid, "QUICK_BATCH_SIZES", (4, 6))
    cells, _ = measure_model("mnist_cnn", job, modes=["eager", "compiled"], device="cpu", quick=True)
    assert [cell["batch_size"] for cell in cells] == [4, 6]
    for cell in cells:
        names = [arm["name"] for arm in cell["measurements"]]
        assert names[4:8] == [name.replace("eager", "compiled") for name in names[:4]]
