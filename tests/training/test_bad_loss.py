"""A loss that is NaN or infinite ends a run with the place, at no host read per update."""

import pytest
import torch
from torch import nn

from practicezoo.training import Callback, fit
from support.fitting import fit_for
from support.toys import HostReads, Recorder, classes, mlp, split


class TestBadLoss:
    @pytest.mark.parametrize(
        ("bad_update", "message", "seen_by"),
        [
            (3, "between updates 1 and 50", 50),
            (60, "between updates 51 and 100", 100),
            (110, "updates 101 and 120", 120),
        ],
    )
    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    def test_the_message_says_where(self, bad_update, message, seen_by, value):
        inputs = torch.ones(120, 1)
        inputs[bad_update - 1] = value
        recorder, model = Recorder(), nn.Linear(1, 1)
        with pytest.raises(
            FloatingPointError,
            match=rf"the loss became (nan|inf) in epoch 1, .*{message}, at learning rate 0\.025: "
            "try a smaller learning rate or max_grad_norm",
        ):
            fit_for(
                model,
                split(inputs, torch.ones(120, 1), 1),
                lr=0.025,
                criterion=nn.MSELoss(),
                callbacks=[recorder],
            )
        assert len(recorder.results) == seen_by

    def test_finished_epochs_were_reported(self):
        recorder, model = Recorder(), nn.Linear(1, 1)
        with pytest.raises(
            FloatingPointError, match=r"the loss became \w+ in epoch [2-9], between updates 1 and 4"
        ):
            fit_for(
                model,
                split(torch.full((4, 1), 10.0), torch.zeros(4, 1), 1),
                lr=0.1,
                epochs=10,
                criterion=nn.MSELoss(),
                callbacks=[recorder],
            )
        assert recorder.num_epochs == list(range(1, len(recorder.num_epochs) + 1)) != []

    def test_ignored_targets_are_no_bad_loss(self):
        history = fit_for(
            mlp(),
            split(torch.randn(6, 5), torch.tensor([0, 1, -100, -100, 2, 2]), 2),
            criterion=nn.CrossEntropyLoss(ignore_index=-100),
        )
        assert history["train_loss"][0] > 0

    def test_host_reads_do_not_grow_with_the_updates(self):
        counts = []
        for num_updates in (10, 49, 149):
            with HostReads() as reads:
                fit_for(mlp().eval(), split(*classes(4 * num_updates), 4))
            counts.append(reads.count)
        assert counts[0] == counts[1] <= 2  # is the loss finite? what is its mean?
        assert counts[2] == counts[0] + 2  # a look after 50 and 100 updates


def test_a_validation_loss_that_is_no_number_stops_the_run_before_callbacks():
    model = nn.Linear(1, 1)
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, run):
            seen.append(run.epoch)

    batches = [(torch.ones(2, 1), torch.ones(2, 1))]
    with pytest.raises(
        FloatingPointError, match=r"val_loss became (nan|inf) in epoch 1, after update 1, at learning"
    ):
        fit(
            model,
            batches,
            criterion=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=1e38),
            epochs=1,
            val_loader=[(torch.full((2, 1), 1e30), torch.ones(2, 1))],
            callbacks=[Watch()],
        )
    assert seen == []
