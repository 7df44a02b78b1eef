"""Ctrl-C says in one line where the run was, and the history can be had."""

import pytest
import torch
from torch import nn

from practicezoo import Callback, Checkpointer, fit
from practicezoo.training import TrainingInterrupted


class Interrupt(Callback):
    def on_step_end(self, run, result):
        if run.num_updates == 5:
            raise KeyboardInterrupt


def train(callbacks):
    model = nn.Linear(2, 1)
    return fit(
        model,
        [(torch.zeros(4, 2), torch.zeros(4, 1))] * 2,
        criterion=nn.MSELoss(),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        epochs=9,
        callbacks=callbacks,
    )


def test_the_history_of_an_interrupted_run_can_be_had():
    message = "^interrupted in epoch 3 of 9, after 5 updates; a Checkpointer among the callbacks makes"
    with pytest.raises(KeyboardInterrupt, match=message) as caught:
        train([Interrupt()])
    assert isinstance(caught.value, TrainingInterrupted)
    assert len(caught.value.history) == 2
    assert caught.value.__suppress_context__


def test_it_says_how_to_resume(tmp_path):
    with pytest.raises(TrainingInterrupted, match=f"the same call with resume_from='{tmp_path}' resumes it"):
        train([Interrupt(), Checkpointer(tmp_path)])
