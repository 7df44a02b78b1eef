"""Graphs of updates: on CUDA, and as a tape of operations on the CPU."""

import warnings

import pytest
import torch

from practicezoo.runtime.recording import CudaRecorder
from practicezoo.training import capture as capturing
from support.recording import Graphs, TapeRecorder


@pytest.fixture
def as_on_cuda(monkeypatch):
    """Models count as being on CUDA."""
    monkeypatch.setattr("practicezoo.training.capturable.device_of", lambda _: torch.device("cuda"))


@pytest.fixture(params=["tape", pytest.param("cuda", marks=pytest.mark.gpu)])
def graphs(request, monkeypatch):
    if request.param == "cuda":
        request.getfixturevalue("cuda")
    else:
        request.getfixturevalue("as_on_cuda")
    graphs = Graphs("cpu" if request.param == "tape" else "cuda:0")
    recorder_type = TapeRecorder if request.param == "tape" else CudaRecorder
    monkeypatch.setattr(capturing, "CudaRecorder", lambda device: graphs.count(recorder_type(device)))
    return graphs


@pytest.fixture
def graphs_stay():
    """What is not expected to end the graphs must not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="capture=True")
        yield
