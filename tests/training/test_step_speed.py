"""An update never waits for the device, and uses the memory of the one before."""

import math
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from practicezoo.training import TrainStep
from support.losses import LOSSES
from support.toys import HostReads, classes, split

NUM_ITEMS = 12


@pytest.mark.parametrize("loss", ["class weights and ignore_index", "MSE", "KL divergence, batchmean"])
def test_no_host_read(loss):
    loss = LOSSES[loss]
    model, targets = loss.make_model(), loss.make_targets(NUM_ITEMS)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = TrainStep(
        model,
        optimizer,
        loss.criterion,
        lr_scheduler=StepLR(optimizer, 1),
        max_grad_norm=1.0,
        precision="bf16",
    )
    with HostReads() as reads:
        for _ in range(3):
            step(split(torch.ones(NUM_ITEMS, 5, dtype=torch.float64), targets, 5))
    assert reads.count == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda tensor: tensor.item(),
        lambda tensor: tensor.tolist(),
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.nonzero(),
        float,
        int,
        bool,
        math.isfinite,
        str,
        np.asarray,
    ],
)
def test_host_reads_are_counted(read):
    with HostReads() as reads:
        read(torch.tensor(2.0))
    assert reads.count > 0


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", [True, False])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0]])
def test_no_synchronisation_on_cuda(cuda, never_waiting, on_device, weight):
    model = nn.Linear(5, 3).to(cuda)
    optimizer = SGD(model.parameters(), lr=0.1)
    weight = None if weight is None else torch.tensor(weight, device=cuda)
    criterion = nn.CrossEntropyLoss(weight=weight, ignore_index=0)
    step = TrainStep(model, optimizer, criterion, max_grad_norm=1.0, lr_scheduler=StepLR(optimizer, 1))
    inputs, targets = (tensor.to(cuda if on_device else "cpu") for tensor in classes())
    batches = split(inputs, targets, 8)
    step(batches)  # the first step sets things up
    with never_waiting():
        step(batches)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="how memory comes back depends on the C library"
)
def test_steps_on_the_cpu_use_the_memory_of_the_step_before():
    program = """
import resource, torch
from practicezoo import CNN, TrainStep
model = CNN()
step = TrainStep(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.nn.CrossEntropyLoss())
batch = torch.randn(128, 1, 28, 28), torch.zeros(128, dtype=torch.int64)
for _ in range(3):
    step([batch])
faults = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for _ in range(6):
    for _ in range(10):
        step([batch])
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(min(after - before for before, after in zip(faults, faults[1:])) / 10)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    # 1,300 pages a step without, in every round; the kernel's own page moves disturb one round or another
    assert float(printed.stdout) < 100
