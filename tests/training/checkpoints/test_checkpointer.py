"""What a Checkpointer writes, keeps and refuses."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from practicezoo import EarlyStopping
from practicezoo.training import Accuracy, Callback, Checkpointer, fit, load_checkpoint, seed_everything
from support.resuming import (
    BATCH_SIZE,
    LOADERS,
    NUM_ITEMS,
    Interrupt,
    InterruptionError,
    digest,
    names,
    same,
    train,
)
from support.toys import classes, mlp, split


class TestCheckpointer:
    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({}, [14, 21, 28]),
            ({"keep": 1}, [28]),
            ({"every": 5}, [20, 25, 28]),
            ({"every": 5, "keep": 9}, [5, 10, 15, 20, 25, 28]),
        ],
    )
    def test_the_newest_are_kept(self, settings, kept, tmp_path):
        train(tmp_path, callbacks=[Checkpointer(tmp_path / "made", **settings)], resume_from=None)
        assert names(tmp_path / "made") == [f"update-{number:08d}.pt" for number in kept]

    @pytest.mark.parametrize(("monitor", "mode"), [("val_loss", "auto"), ("val_accuracy", "max")])
    def test_the_best_epoch_stays(self, monitor, mode, tmp_path):
        checkpointer = Checkpointer(tmp_path, keep=1, monitor=monitor, mode=mode, extra={"note": "mine"})
        seed_everything(5)
        model = mlp()
        history = fit(
            model,
            LOADERS["tensors"](),
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=3.0),
            epochs=6,
            val_loader=[classes(20)],
            metrics={"accuracy": Accuracy()},
            callbacks=[checkpointer],
        )
        best = history.best(monitor)
        assert best.epoch < 6, "or this test says nothing"
        state = load_checkpoint(tmp_path / "best.pt")
        assert state["progress"]["finished_epochs"] == best.epoch
        assert state["history"][monitor] == history[monitor][: best.epoch]
        assert state["extra"] == {"note": "mine"}

    def test_it_saves_the_others_state_of_the_same_moment(self, tmp_path):
        class Counter(Callback):
            count = 0

            def on_step_end(self, run, result):
                self.count += 1

            def state_dict(self):
                return {"count": self.count}

        train(tmp_path, callbacks=[Checkpointer(tmp_path), Counter()])
        state = load_checkpoint(tmp_path / "update-00000028.pt")
        assert state["callbacks"] == [["Checkpointer", None], ["Counter", {"count": 28}]]

    def test_a_loss_that_is_no_number_is_not_saved(self, tmp_path):
        batches = split(*classes(NUM_ITEMS), BATCH_SIZE)
        batches[4][0][:] = torch.nan
        model = mlp()
        with pytest.raises(FloatingPointError, match="between updates 1 and 7"):
            fit(
                model,
                batches,
                criterion=nn.CrossEntropyLoss(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=1,
                callbacks=[Checkpointer(tmp_path, every=1)],
            )
        assert names(tmp_path) == [f"update-{number:08d}.pt" for number in (2, 3, 4)]

    def test_another_runs_folder_is_refused(self, tmp_path):
        train(tmp_path)
        with pytest.raises(FileExistsError, match=r"must not hold another run's checkpoints: give"):
            train(tmp_path, resume_from=None)

    def test_no_good_checkpoint_of_another_run_or_a_later_time_is_removed(self, tmp_path):
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        train(theirs)
        with pytest.raises(InterruptionError):
            train(ours, Interrupt(9))
        both = [Checkpointer(ours, every=2), Checkpointer(theirs)]
        with pytest.raises(FileExistsError, match=r"theirs must not hold another run's checkpoints"):
            train(ours, callbacks=both)
        message = r"theirs must not hold later checkpoints of this run, found update-00000028\.pt: move them"
        with pytest.raises(FileExistsError, match=message):
            train(theirs, resume_from=theirs / "update-00000026.pt")
        assert names(theirs) == [f"update-{number:08d}.pt" for number in (24, 26, 28)]

    def test_checkpoints_that_came_between_reading_and_locking_are_not_removed(self, tmp_path):
        class OtherRunTrainsOn(Callback):
            def on_run_start(self, run):
                later.rename(tmp_path / "run" / later.name)

        folder = tmp_path / "run"
        with pytest.raises(InterruptionError):
            train(folder, Interrupt(13))
        later = (folder / "update-00000012.pt").rename(tmp_path / "update-00000012.pt")
        message = r"must not hold later checkpoints of this run, found update-00000012\.pt"
        with pytest.raises(FileExistsError, match=message):
            train(folder, callbacks=[OtherRunTrainsOn(), Checkpointer(folder, every=2)])
        assert later.name in names(folder)

    def test_two_folders_of_one_run(self, tmp_path):
        def both():
            return [Checkpointer(tmp_path / "often", every=2), Checkpointer(tmp_path / "rarely")]

        whole = train(tmp_path / "whole", callbacks=[Checkpointer(tmp_path / "whole", every=2)])
        with pytest.raises(InterruptionError):
            train(tmp_path / "often", callbacks=[*both(), Interrupt(9)])
        assert same(train(tmp_path / "often", callbacks=both()), whole)

    def test_weights_that_are_no_numbers_are_not_saved(self, tmp_path):
        class Root(nn.Module):  # a finite loss whose gradient is not
            def forward(self, outputs, targets):
                return (outputs - targets).square().mean().sqrt()

        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        with pytest.raises(FloatingPointError, match="the loss became nan in epoch 2"):
            fit(
                model,
                [(torch.ones(2, 1), torch.ones(2, 1))],
                criterion=Root(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=3,
                callbacks=[Checkpointer(tmp_path)],
            )
        assert names(tmp_path) == []

    def test_best_holds_the_epochs_own_weights(self, tmp_path):
        seen = {}

        class Watch(Callback):
            def on_epoch_end(self, run):
                seen[run.epoch] = digest(run.model.state_dict())

        stopping = EarlyStopping("val_loss", mode="max", patience=9, restore_best=True)  # the worst, in truth
        train(
            tmp_path,
            callbacks=[Watch(), stopping, Checkpointer(tmp_path, monitor="train_loss")],
        )
        best = load_checkpoint(tmp_path / "best.pt")
        assert digest(best["model"]) == seen[best["progress"]["finished_epochs"]]

    @pytest.mark.parametrize(
        ("every", "error", "message"),
        [
            (0, ValueError, "every must be at least 1, got 0"),
            (-1, ValueError, "every must be at least 1, got -1"),
            (2.5, TypeError, "every must be an integer, got 2.5"),
            ("update", ValueError, "every must be 'epoch' or a number of updates, got 'update'"),
        ],
    )
    def test_every(self, every, error, message, tmp_path):
        with pytest.raises(error, match=message):
            Checkpointer(tmp_path, every=every)

    def test_keep_and_mode(self, tmp_path):
        with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
            Checkpointer(tmp_path, keep=0)
        with pytest.raises(ValueError, match="mode must be 'auto', 'min' or 'max', got 'least'"):
            Checkpointer(tmp_path, mode="least")

    def test_a_monitor_that_is_not_measured(self, tmp_path):
        message = "Checkpointer's monitor must be one of train_loss, .*, val_accuracy, got 'val_f1'"
        with pytest.raises(ValueError, match=message):
            train(tmp_path, callbacks=[Checkpointer(tmp_path, monitor="val_f1")])
