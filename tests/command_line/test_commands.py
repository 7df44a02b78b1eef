"""The command line as a whole: list, info, wrong commands, Ctrl-C, terminals."""

import os
import signal
import subprocess
import sys
import time

import pytest

from practicezoo.cli import main
from support.commands import error_line


def test_list_and_info_name_the_recipe(capsys):
    assert main(["list"]) == 0
    assert "names_gru" in capsys.readouterr().out
    assert main(["info", "names_gru"]) == 0
    shown = capsys.readouterr().out
    assert "85.2 %" in shown
    assert "setting tuned" in shown


def test_neither_home_nor_user(monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PRACTICEZOO_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert main(["check", "names_gru", "--device", "cpu"]) == 0
    assert main(["check", "mnist_mlp", "--device", "cpu"]) == 2
    assert "the data root must be named (--data or PRACTICEZOO_DATA)" in error_line(capsys)


@pytest.mark.parametrize("where", ["practicezoo.cli", "argparse"])
def test_ctrl_c_before_a_command_runs(where):
    program = f"""
import runpy, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {where!r}:
            raise KeyboardInterrupt
sys.modules.pop({where!r}, None)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["practicezoo", "list"]
runpy.run_module("practicezoo", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "\npracticezoo: interrupted\n")


def test_ctrl_c_while_arguments_are_read(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("practicezoo.cli.make_parser", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "\npracticezoo: interrupted\n"


def test_unknown_commands_exit_with_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["fly"])
    assert "invalid choice: 'fly'" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_says_how_to_resume_and_exits_with_130(tmp_path):
    command = [
        sys.executable,
        "-m",
        "practicezoo",
        "train",
        "names_gru",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--epochs", "1000"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch    2/1000"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f"to resume, give the same command with --out {tmp_path} --resume" in errors
    assert "Traceback" not in errors
    assert len((tmp_path / "history.csv").read_text().splitlines()) >= 3
    assert main(["predict", "names_gru", "--checkpoint", str(tmp_path / "best.pt"), "Abe"]) == 0
