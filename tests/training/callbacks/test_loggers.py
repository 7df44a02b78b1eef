"""Laws of the loggers: every epoch once, all digits, whatever was killed when; events can be read back."""

import csv
import math
import sys
import traceback
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD

from practicezoo.training import Callback, Checkpointer, CSVLogger, Run, TensorBoardLogger, TrainStep, fit
from support.toys import HostReads, classes, mlp, split

EPOCHS = 4


class Killed(BaseException):
    """The process is gone."""


def run_of(values, *, finished=0, epochs=EPOCHS):
    """A run, fresh or resumed after some epochs, that is to have these values in each epoch."""
    model = nn.Linear(1, 1)
    run = Run(model, TrainStep(model, SGD(model.parameters(), lr=0.1), nn.MSELoss()), epochs)
    run.num_updates = 10 * finished
    for epoch in range(finished):
        run.history.append(values(epoch + 1))
    return run


def go_on(run, values, *loggers, until=EPOCHS):
    """Ten updates in each epoch, then the loggers' turn."""
    result = run.step([(torch.ones(2, 1), torch.ones(2, 1))])
    for epoch in range(len(run.history) + 1, until + 1):
        run.epoch = epoch
        for _ in range(10):
            run.num_updates += 1
            for logger in loggers:
                logger.on_step_end(run, result)
        run.history.append(values(epoch))
        for logger in loggers:
            logger.on_epoch_end(run)
    return run


def values_of(seed, *names):
    """Values that only this run has."""

    def values(epoch):
        return dict.fromkeys(names or ("train_loss", "seconds"), math.pi * epoch + seed / 7)

    return values


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [list(row.values()) for row in csv.DictReader(file)]


def expected(values, *epochs):
    return [[str(epoch), *map(repr, values(epoch).values())] for epoch in epochs]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.csv"


class TestCSVLogger:
    def test_a_folder_in_the_place_of_the_table(self, path):
        path.mkdir()
        with pytest.raises(IsADirectoryError, match=r"path must be a file's, got the folder .*history\.csv$"):
            CSVLogger(path)

    def test_writes_what_the_history_writes(self, path, tmp_path):
        model = mlp()
        history = fit(
            model,
            split(*classes(), 10),
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=0.1),
            epochs=3,
            val_loader=[classes()],
            callbacks=[CSVLogger(path)],
        )
        history.to_csv(tmp_path / "expected.csv")
        assert path.read_bytes() == (tmp_path / "expected.csv").read_bytes()

    def test_a_row_is_there_when_its_epoch_ends(self, path):
        values, logger = values_of(1), CSVLogger(str(path))
        run = run_of(values)
        for epoch in range(1, EPOCHS + 1):
            go_on(run, values, logger, until=epoch)
            assert rows(path) == expected(values, *range(1, epoch + 1))

    def test_rows_of_several_epochs_are_written_at_once(self, path):
        values, other = values_of(1), values_of(2)
        go_on(run_of(other), other, CSVLogger(path))
        logger = CSVLogger(path, every=3)
        run = run_of(values, epochs=8)
        for epoch, written in enumerate([0, 0, 3, 3, 3, 6, 6, 8], start=1):
            go_on(run, values, logger, until=epoch)
            assert rows(path)[4:] == expected(values, *range(1, written + 1))
        resumed = run_of(values, finished=4, epochs=8)  # the table had come further than the checkpoint
        go_on(resumed, values, CSVLogger(path, every=3), until=8)
        assert rows(path) == [*expected(other, 1, 2, 3, 4), *expected(values, *range(1, 9))]

    def test_every_below_one(self, path):
        with pytest.raises(ValueError, match="every must be at least 1, got 0"):
            CSVLogger(path, every=0)

    def test_a_fresh_run_writes_below_the_others(self, path):
        first, second, third = map(values_of, (1, 2, 3))
        logger = CSVLogger(path)
        go_on(run_of(first), first, logger)
        go_on(run_of(second), second, logger, until=1)  # the same object serves several runs
        go_on(run_of(third), third, CSVLogger(path))
        assert rows(path) == [
            *expected(first, 1, 2, 3, 4),
            *expected(second, 1),
            *expected(third, 1, 2, 3, 4),
        ]
        assert path.read_text().count("epoch") == 1

    @given(
        written=st.integers(0, EPOCHS),
        saved=st.integers(0, EPOCHS - 1),
        half=st.integers(0, 12),
        before=st.integers(0, 2),
        after=st.integers(0, 2),
    )
    def test_each_epoch_once_after_kill_and_resume(
        self, tmp_path_factory, *, written, saved, half, before, after
    ):
        """``written`` epochs are in the table and ``saved`` in the checkpoint, whichever came further."""
        path = tmp_path_factory.mktemp("log") / "history.csv"
        values = values_of(0)
        others = [values_of(number) for number in range(1, 1 + before + after)]
        for other in others[:before]:
            go_on(run_of(other), other, CSVLogger(path))
        killed = CSVLogger(path)
        run = go_on(run_of(values), values, killed, until=written)
        killed.on_step_end(run, None)  # an update of the next epoch
        state = killed.state_dict()
        if saved == 0 and written == 0:
            after = 0  # a resumed run without any epoch knows its rows by their place alone
        for other in others[before : before + after]:
            go_on(run_of(other), other, CSVLogger(path))
        with path.open("a") as file:
            file.write("3,0.123,45.678"[:half])
        resumed = CSVLogger(path)
        resumed.load_state_dict(state)
        go_on(run_of(values, finished=saved), values, resumed)
        kept = [row for other in others[: before + after] for row in expected(other, 1, 2, 3, 4)]
        assert rows(path) == [*kept, *expected(values, 1, 2, 3, 4)]

    def test_a_resumed_run_knows_its_rows_without_the_loggers_state(self, path):
        values, other = values_of(1), values_of(2)
        go_on(run_of(values), values, CSVLogger(path), until=3)
        go_on(run_of(other), other, CSVLogger(path), until=2)
        go_on(run_of(values, finished=2), values, CSVLogger(path))
        assert rows(path) == [*expected(other, 1, 2), *expected(values, 1, 2, 3, 4)]

    def test_two_fresh_runs_at_once_leave_each_other_alone(self, path):
        first, second = values_of(1), values_of(2)
        run, logger = run_of(first), CSVLogger(path)
        logger.on_step_end(run, None)
        go_on(run_of(second), second, CSVLogger(path), until=1)
        go_on(run, first, logger, until=1)
        assert rows(path) == [*expected(second, 1), *expected(first, 1)]

    @pytest.mark.parametrize(
        ("every", "killed_at"),
        [(2, 1), (2, 3), (2, 4), (2, 6), (2, 8), ("epoch", 4), ("epoch", 6), ("epoch", 8)],
    )
    def test_a_run_that_fit_resumes_is_there_once(self, path, tmp_path, every, killed_at):
        """Killed in one of an epoch's three updates, or after them: between the row and the checkpoint."""
        values = values_of(1, "train_loss", "learning_rate", "seconds")
        go_on(run_of(values), values, CSVLogger(path))

        class Kill(Callback):
            def on_step_end(self, run, result):
                if run.num_updates == killed_at and killed_at % 3 != 0:
                    raise Killed

            def on_epoch_end(self, run):
                if run.num_updates == killed_at:
                    raise Killed

        def train(*others):
            model = mlp()
            return fit(
                model,
                split(*classes(), 10),
                criterion=nn.CrossEntropyLoss(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=4,
                callbacks=[CSVLogger(path), *others, Checkpointer(tmp_path / "run", every=every)],
                resume_from=tmp_path / "run",
            )

        with pytest.raises(Killed):
            train(Kill())
        history = train()
        history.to_csv(tmp_path / "expected.csv")
        assert rows(path) == [*expected(values, 1, 2, 3, 4), *rows(tmp_path / "expected.csv")]

    def test_a_late_value_gets_a_column(self, path, tmp_path):
        logger = CSVLogger(path)
        run = go_on(run_of(values_of(1)), values_of(1), logger, until=2)
        go_on(run, values_of(1, "train_loss", "seconds", "val_f1"), logger)
        run.history.to_csv(tmp_path / "expected.csv")
        assert path.read_bytes() == (tmp_path / "expected.csv").read_bytes()
        assert [row[-1] for row in rows(path)][:2] == ["nan", "nan"]

    def test_a_run_resumed_with_another_measure_keeps_its_rows(self, path, tmp_path):
        before, after = values_of(1), values_of(1, "train_loss", "seconds", "val_f1")
        go_on(run_of(before), before, CSVLogger(path), until=3)
        run = go_on(run_of(before, finished=2), after, CSVLogger(path))
        run.history.to_csv(tmp_path / "expected.csv")
        assert path.read_bytes() == (tmp_path / "expected.csv").read_bytes()

    def test_a_table_from_a_spreadsheet_is_read(self, path):
        path.write_bytes(b"\xef\xbb\xbfepoch,train_loss,seconds\r\n1,0.5,2\r\n")
        go_on(run_of(values_of(1)), values_of(1), CSVLogger(path), until=1)
        assert rows(path) == [["1", "0.5", "2"], *expected(values_of(1), 1)]

    def test_whoever_is_killed_while_rewriting_leaves_the_old_file(self, path, monkeypatch):
        values = values_of(1)
        go_on(run_of(values), values, CSVLogger(path))
        before = path.read_bytes()

        def killed(self, target):
            raise Killed

        monkeypatch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            go_on(run_of(values, finished=2), values, CSVLogger(path))
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_a_link_and_the_permissions_stay(self, path, tmp_path):
        target = tmp_path / "elsewhere.csv"
        target.touch(mode=0o600)
        path.symlink_to(target)
        go_on(run_of(values_of(1)), values_of(1), CSVLogger(path))
        assert path.is_symlink()
        assert target.stat().st_mode & 0o777 == 0o600
        assert rows(target) == expected(values_of(1), 1, 2, 3, 4)

    def test_other_columns(self, path):
        path.write_text("epoch,loss\n1,0.5\n")
        match = (
            "history.csv must have the columns epoch, train_loss, seconds to hold this run, got epoch, loss"
        )
        with pytest.raises(ValueError, match=match):
            go_on(run_of(values_of(1)), values_of(1), CSVLogger(path))
        assert path.read_text() == "epoch,loss\n1,0.5\n"

    def test_a_late_column_below_other_runs(self, path):
        values, logger = values_of(1), CSVLogger(path)
        go_on(run_of(values), values, logger)
        run = go_on(run_of(values), values, logger, until=2)
        before = path.read_bytes()
        match = "columns epoch, train_loss, seconds, val_f1 to hold this run, got epoch, train_loss, seconds"
        with pytest.raises(ValueError, match=match):
            go_on(run, values_of(1, "train_loss", "seconds", "val_f1"), logger)
        assert path.read_bytes() == before

    def test_the_user_is_told_which_callback_failed(self, path):
        path.write_text("epoch,loss\n1,0.5\n")
        model = mlp()
        with pytest.raises(ValueError, match=r"raised by the callback CSVLogger\.on_epoch_end") as caught:
            fit(
                model,
                [classes()],
                criterion=nn.CrossEntropyLoss(),
                optimizer=SGD(model.parameters(), lr=0.1),
                epochs=1,
                callbacks=[CSVLogger(path)],
            )
        shown = "".join(traceback.format_exception(caught.value))
        assert shown.rstrip().endswith("raised by the callback CSVLogger.on_epoch_end")

    def test_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"the log's folder must exist, got .*missing"):
            CSVLogger(tmp_path / "missing" / "history.csv")


def scalars(folder):
    """Steps and values by name, as TensorBoard shows them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


class TestTensorBoardLogger:
    @pytest.fixture(autouse=True)
    def _tensorboard(self):
        pytest.importorskip("tensorboard")

    def test_the_historys_values_by_name(self, tmp_path):
        model = mlp()
        history = fit(
            model,
            split(*classes(), 10),
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=0.1),
            epochs=2,
            val_loader=[classes()],
            callbacks=[TensorBoardLogger(tmp_path)],
        )
        shown = scalars(tmp_path)
        assert set(shown) == {*history, "epoch"}
        assert shown["epoch"] == [(3, 1.0), (6, 2.0)]
        for name in history:
            assert shown[name] == [
                (step, pytest.approx(v)) for step, v in zip((3, 6), history[name], strict=True)
            ]

    def test_steps_are_written_every_so_often(self, tmp_path):
        model = mlp()
        losses, norms = [], []

        class Look(Callback):
            """Remembers what each update measured."""

            def on_step_end(self, run, result):
                losses.append(result.loss.item())
                norms.append(result.grad_norm.item())

        fit(
            model,
            split(*classes(), 6),
            criterion=nn.CrossEntropyLoss(),
            optimizer=SGD(model.parameters(), lr=0.5),
            epochs=2,
            max_grad_norm=1.0,
            callbacks=[Look(), TensorBoardLogger(tmp_path, every=3)],
        )
        shown = scalars(tmp_path)
        assert shown["step/loss"] == [(step, pytest.approx(losses[step - 1])) for step in (3, 6, 9)]
        assert shown["step/grad_norm"] == [(step, pytest.approx(norms[step - 1])) for step in (3, 6, 9)]
        assert shown["step/learning_rate"] == [(step, 0.5) for step in (3, 6, 9)]

    @pytest.mark.parametrize(("every", "num_reads"), [(None, 0), (4, 5)])
    def test_the_device_is_left_alone_in_all_other_steps(self, tmp_path, every, num_reads):
        logger = TensorBoardLogger(tmp_path, every=every)
        run = run_of(values_of(1))
        result = run.step([(torch.ones(2, 1), torch.ones(2, 1))])
        with HostReads() as reads:
            for _ in range(20):
                run.num_updates += 1
                logger.on_step_end(run, result)
        assert reads.count == num_reads

    def test_a_resumed_run_hides_what_it_does_again(self, tmp_path):
        killed, again = values_of(1), values_of(2)
        go_on(run_of(killed), killed, TensorBoardLogger(tmp_path, every=5), until=3)
        go_on(run_of(killed, finished=1), again, TensorBoardLogger(tmp_path, every=5))
        shown = scalars(tmp_path)
        expected = [killed(1), again(2), again(3), again(4)]
        losses = [(10 * epoch, pytest.approx(v["train_loss"])) for epoch, v in enumerate(expected, start=1)]
        assert shown["train_loss"] == losses
        assert [step for step, _ in shown["step/loss"]] == list(range(5, 41, 5))

    def test_the_same_object_serves_several_runs(self, tmp_path):
        logger = TensorBoardLogger(tmp_path)
        go_on(run_of(values_of(1)), values_of(1), logger)
        go_on(run_of(values_of(2)), values_of(2), logger, until=2)
        assert [step for step, _ in scalars(tmp_path)["train_loss"]] == [10, 20]

    def test_every_below_one(self, tmp_path):
        with pytest.raises(ValueError, match="every must be at least 1, got 0"):
            TensorBoardLogger(tmp_path, every=0)


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    match = r'TensorBoardLogger needs tensorboard: pip install "practicezoo\[tensorboard\]"'
    with pytest.raises(ImportError, match=match):
        TensorBoardLogger(tmp_path)
