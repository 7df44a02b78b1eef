"""The program in the notes' style does the same arithmetic as practicezoo's networks."""

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from benchmarks.mnist_epoch import TASKS
from practicezoo import create_model


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.model)
def test_the_notes_network_computes_the_same(task):
    notes, ours = task.notes_model().double(), create_model(task.model).double()
    images, targets = torch.randn(8, 1, 28, 28, dtype=torch.float64), torch.arange(8)
    with torch.no_grad():
        for copied, parameter in zip(ours.parameters(), notes.parameters(), strict=True):
            copied.copy_(parameter)
    losses = [F.cross_entropy(model(images), targets) for model in (notes, ours)]
    gradients = [
        torch.autograd.grad(loss, model.parameters())
        for loss, model in zip(losses, (notes, ours), strict=True)
    ]
    assert_close(losses[1], losses[0])
    assert_close(gradients[1], gradients[0])
