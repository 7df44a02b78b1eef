"""A recipe's run that was interrupted ends as one that was not, alone and under torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from practicezoo.cli import main
from practicezoo.recipes import DataOptions, get_recipe, train_recipe
from practicezoo.recipes.run_folder import RunFolder
from practicezoo.recipes.systems.names_gru import NamesGRU
from practicezoo.training import Callback, load_checkpoint, save_checkpoint
from practicezoo.training.loop import fit

SYNTHETIC = DataOptions(dataset="synthetic")

pytestmark = pytest.mark.usefixtures("small_names")


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


def train(name, folder, **settings):
    return train_recipe(
        get_recipe(name), folder, **{"device": "cpu", "epochs": 3, "progress": False} | settings
    )


@pytest.fixture
def interrupt(monkeypatch):
    """Makes a call of ``fit`` end with an exception after an update."""

    def arrange(update, *, call=1):
        calls: list[None] = []

        class Interrupt(Callback):
            def on_step_end(self, run, result):
                if run.num_updates == update and len(calls) == call:
                    raise InterruptionError

        def interrupted(*arguments, callbacks, **settings):
            calls.append(None)
            return fit(*arguments, callbacks=[*callbacks, Interrupt()], **settings)

        monkeypatch.setattr("practicezoo.recipes.experiment.fit", interrupted)

    return arrange


def outcome(folder):
    """What a finished run must have in common with another of the same seed."""
    state = load_checkpoint(folder / "checkpoint.pt")
    figures = json.loads((folder / "result.json").read_text())
    for name in ("seconds", "training_seconds"):
        del figures[name]
    del state["history"]["seconds"]
    return state, figures


def same(left, right) -> bool:
    states, figures = zip(outcome(left), outcome(right), strict=True)
    models = [state.pop("model") for state in states]
    torch.testing.assert_close(*models, rtol=0, atol=0)
    assert states[0] == states[1]
    return figures[0] == figures[1]


@pytest.mark.parametrize(
    ("name", "settings", "moments"),
    [  # updates, in the first or second call of fit
        ("names_gru", {"setting": "course", "epochs": 2}, [(1, 1), (77, 1)]),  # 40 updates an epoch
        ("names_gru", {"setting": "tuned", "epochs": 2}, [(30, 2)]),  # in the training on all names
        ("linear_regression", {"setting": "course", "epochs": 30}, [(17, 1)]),  # without validation
        ("mnist1d_mlp", {"epochs": 2}, [(50, 1)]),  # in the second epoch, each signal varied at random
        pytest.param("mnist_cnn", {"data": SYNTHETIC}, [(20, 1), (47, 1)], marks=pytest.mark.slow),
    ],
)
def test_interrupted_and_resumed(name, settings, moments, tmp_path, interrupt):
    train(name, tmp_path / "whole", **settings)
    for update, call in moments:
        interrupt(update, call=call)
        with pytest.raises(InterruptionError):
            train(name, tmp_path / str(update), **settings)
        interrupt(None)
        train(name, tmp_path / str(update), **settings, resume=True)
        assert same(tmp_path / str(update), tmp_path / "whole")


@pytest.mark.parametrize(("call", "update"), [(2, 20), (3, 30)])  # the second teacher, then their pupil
def test_interrupted_and_resumed_where_teachers_train_first(call, update, two_teachers, tmp_path, interrupt):
    best = {"setting": "best", "epochs": 2}
    train("names_gru", tmp_path / "whole", **best)
    interrupt(48 + update, call=call)  # in the second epoch
    with pytest.raises(InterruptionError):
        train("names_gru", tmp_path / "parts", **best)
    interrupt(None)
    with pytest.raises(FileExistsError, match="must not hold a run already: resume it"):
        train("names_gru", tmp_path / "parts", **best)
    with pytest.raises(ValueError, match=r"seed must be 0 to resume the run in .*, got 1"):
        train("names_gru", tmp_path / "parts", **best, seed=1, resume=True)
    train("names_gru", tmp_path / "parts", **best, resume=True)
    assert same(tmp_path / "parts", tmp_path / "whole")
    assert not list((tmp_path / "parts").glob("teacher-*"))


def test_a_finished_run_leaves_its_own_files_alone_and_is_not_trained_again(tmp_path, capsys, interrupt):
    first = train("names_gru", tmp_path, resume=True, epochs=1)  # nothing to resume from: it starts
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(files) == {"history.csv", "curve.png", "checkpoint.pt", "result.json"}
    interrupt(1)
    again = train("names_gru", tmp_path, resume=True, epochs=1, progress=True)
    assert capsys.readouterr().out == f"the run in {tmp_path} is finished\n"
    assert (again.measured, again.files) == (first.measured, first.files)
    assert again.history.state_dict() == first.history.state_dict()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"setting": "course"}, "setting must be 'tuned' to resume the run in .*, got 'course'"),
        ({"seed": 1}, "seed must be 0 to resume the run in .*, got 1"),
        ({"epochs": 4}, "epochs must be 2 to resume the run in .*, got 4"),
    ],
)
def test_another_run_is_not_resumed(settings, message, finished, tmp_path, interrupt):
    interrupt(None if finished else 41)
    if finished:
        train("names_gru", tmp_path, epochs=2)
    else:
        with pytest.raises(InterruptionError):
            train("names_gru", tmp_path, epochs=2)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ValueError, match=message):
        train("names_gru", tmp_path, **{"epochs": 2} | settings, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def interrupted_run(folder, interrupt):
    interrupt(90)
    with pytest.raises(InterruptionError):
        train("names_gru", folder, setting="course")
    interrupt(None)


def test_without_resume_an_unfinished_run_is_not_written_over(tmp_path, interrupt):
    interrupted_run(tmp_path, interrupt)
    with pytest.raises(FileExistsError, match="must not hold a run already: resume it"):
        train("names_gru", tmp_path, setting="course")


@pytest.mark.filterwarnings("default")  # what is a warning to Python is one line to the user
def test_a_damaged_checkpoint_is_one_line_and_the_one_before_is_used(tmp_path, capsys, interrupt):
    interrupted_run(tmp_path, interrupt)
    newest = max(tmp_path.glob("update-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-1])
    arguments = ["train", "names_gru", "--setting", "course", "--epochs", "3", "--device", "cpu"]
    assert main([*arguments, "--out", str(tmp_path), "--resume"]) == 0
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith(f"practicezoo: {newest} is damaged")
    assert f"resuming from {tmp_path}" in printed.out
    assert main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    assert same(tmp_path, tmp_path / "whole")


def test_a_figure_that_cannot_be_drawn_is_a_line_and_the_run_is_finished(tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise RuntimeError("no canvas\nno trace")

    monkeypatch.setattr("practicezoo.training.History.plot", fail)
    result = train("names_gru", tmp_path, epochs=1)
    assert capsys.readouterr().err == "curve.png is left out: no canvas\n"
    assert {path.name for path in tmp_path.iterdir()} == {"history.csv", "checkpoint.pt", "result.json"}
    assert [path.name for path in result.files] == ["history.csv", "checkpoint.pt", "result.json"]


def test_a_figure_that_cannot_be_written_leaves_no_half(tmp_path, monkeypatch, capsys):
    def fail(self, file, **settings):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    train("names_gru", tmp_path, epochs=1)
    assert capsys.readouterr().err == "curve.png is left out: no space left on device\n"
    assert not any("curve" in path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("setting", ["course", "tuned"])
def test_after_a_failed_measurement_the_trained_state_is_measured(setting, tmp_path, monkeypatch, interrupt):
    train("names_gru", tmp_path / "whole", setting=setting, epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(NamesGRU, "measure", lambda *_: (_ for _ in ()).throw(OSError("the disk is gone")))
        with pytest.raises(OSError, match="the disk is gone"):
            train("names_gru", tmp_path / "parts", setting=setting, epochs=2)
    assert RunFolder(tmp_path / "parts").stage == "trained"
    with pytest.raises(FileExistsError, match="must not hold a run already: resume it"):
        train("names_gru", tmp_path / "parts", setting=setting, epochs=2)
    with pytest.raises(ValueError, match=r"seed must be 0 to resume the run in .*, got 1"):
        train("names_gru", tmp_path / "parts", setting=setting, epochs=2, seed=1, resume=True)
    monkeypatch.setattr("practicezoo.recipes.experiment.fit", None)  # nothing is left to train
    result = train("names_gru", tmp_path / "parts", setting=setting, epochs=2, resume=True)
    assert same(tmp_path / "parts", tmp_path / "whole")
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {path.name for path in result.files}


def test_the_newest_checkpoint_is_read_once_at_a_resume(tmp_path, monkeypatch, interrupt):
    interrupted_run(tmp_path, interrupt)
    newest = max(tmp_path.glob("update-*.pt"))
    read = []

    def counted(path, **settings):
        read.append(path)
        return load_checkpoint(path, **settings)

    for module in ("checkpoints.folder", "checkpoints.resume"):
        monkeypatch.setattr(f"practicezoo.training.{module}.load_checkpoint", counted)
    for module in ("train", "run_folder"):
        monkeypatch.setattr(f"practicezoo.recipes.{module}.load_checkpoint", counted)
    train("names_gru", tmp_path, setting="course", resume=True)
    assert read.count(newest) == 1
    # the one before the newest tells whether it is the same run's; the best is looked at early, and taken
    assert len(read) <= 4


def test_a_run_killed_before_its_first_checkpoint_leaves_no_rows(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n")
    result = train("linear_regression", tmp_path, setting="course", epochs=1500, resume=True)
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 1500 == 1 + len(result.history)


def test_a_process_killed_as_it_finished_is_tidied_up_by_the_next(tmp_path):
    train("names_gru", tmp_path, epochs=1)
    leftovers = [tmp_path / name for name in ("update-00000001.pt", ".result.json.x.tmp", "best.pt")]
    for path in leftovers:
        path.touch()
    train("names_gru", tmp_path, epochs=1, resume=True)
    assert not any(path.exists() for path in leftovers)


def test_resume_without_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "names_gru", "--resume"]) == 2
    assert "--resume must come with --out DIR" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def command(folder, *options):
    return [
        *(sys.executable, "-m", "practicezoo", "train", "names_gru"),
        *("--setting", "course", "--epochs", "16", "--device", "cpu", "--out", str(folder), *options),
    ]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.slow
def test_the_command_line_killed_and_resumed(tmp_path):
    subprocess.run(command(tmp_path / "whole"), env=ENVIRONMENT, check=True, capture_output=True)
    for epoch in (3, 9):
        with subprocess.Popen(
            command(tmp_path / "parts", "--resume"), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                if line.startswith(f"epoch {epoch:>2}/16"):
                    break
            time.sleep(0.03)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "parts" / "checkpoint.pt").exists()
    subprocess.run(command(tmp_path / "parts", "--resume"), env=ENVIRONMENT, check=True, capture_output=True)
    assert same(tmp_path / "parts", tmp_path / "whole")


def torchrun(arguments, *options):
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *options),
        *arguments[1:],
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the processes are found under /proc")
@pytest.mark.slow
def test_two_processes_killed_restarted_and_resumed(tmp_path):
    whole = subprocess.run(
        torchrun(command(tmp_path / "whole")), env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    assert "2 processes on cpu" in whole.stdout
    assert whole.stdout.count("epoch  1/16") == 1
    killed: list[int] = []
    with subprocess.Popen(
        torchrun(command(tmp_path / "parts", "--resume"), "--max-restarts=1"),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch  5/16") and not killed:
                killed = children(process.pid)
                os.kill(killed[-1], signal.SIGKILL)
    assert process.returncode == 0
    assert len(killed) == 2
    assert same(tmp_path / "parts", tmp_path / "whole")


def children(parent: int) -> list[int]:
    """The processes that ``parent`` started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_second_run_in_the_folder_is_refused_and_changes_nothing(tmp_path, monkeypatch):
    refused = []

    def second(*arguments, **settings):
        (tmp_path / "history.csv").write_text("epoch,loss\n")
        with pytest.raises(BlockingIOError, match=f"{tmp_path} must be free, but another run trains into it"):
            train("linear_regression", tmp_path, setting="course", resume=True)
        refused.append((tmp_path / "history.csv").exists())
        return fit(*arguments, **settings)

    monkeypatch.setattr("practicezoo.recipes.experiment.fit", second)
    train("linear_regression", tmp_path, setting="course", epochs=2)
    assert refused == [True]


@pytest.mark.parametrize("damage", ["removed", "cut", "of another run"])
def test_a_best_epoch_that_cannot_be_had_is_told_at_the_start(damage, tmp_path, monkeypatch, interrupt):
    interrupted_run(tmp_path, interrupt)
    best = tmp_path / "best.pt"
    if damage == "removed":
        best.unlink()
    elif damage == "cut":
        best.write_bytes(best.read_bytes()[:1000])
    else:
        save_checkpoint(best, {**load_checkpoint(best), "run_id": "another"})
    monkeypatch.setattr("practicezoo.recipes.experiment.fit", None)  # nothing is trained
    with pytest.raises(ValueError, match=r"best\.pt must (hold the best epoch so far|be of the run)"):
        train("names_gru", tmp_path, setting="course", resume=True)


@pytest.mark.parametrize("name", ["history.csv", "curve.png"])
def test_a_folder_in_the_place_of_an_own_file_is_told_at_the_start(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError, match=f"path must be a file's, got the folder .*{name}$"):
        train("linear_regression", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
