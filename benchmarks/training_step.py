"""How long does one training step take: every model, eager and compiled, in each precision and layout?

A step is TrainStep's whole update: gradients cleared, forward, loss, backward, Adam. The loss is cross
entropy for classes, else the mean squared error.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.grid import Step, run_grid
from practicezoo import TrainStep


def training_job(
    model: nn.Module, inputs: Tensor, targets: Tensor, precision: Literal["fp32", "bf16", "fp16"]
) -> tuple[Step, torch.optim.Optimizer]:
    """Return a step that updates the model, and the optimizer."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss() if targets.is_floating_point() else nn.CrossEntropyLoss()
    update = TrainStep(model, optimizer, criterion, precision=precision)
    return lambda: update([(inputs, targets)]), optimizer


def run(*, device: str, quick: bool, detail: bool = False) -> dict:
    """Measure a training step of every registered model; print milliseconds and samples a second."""
    return run_grid(training_job, device=device, quick=quick, detail=detail)
