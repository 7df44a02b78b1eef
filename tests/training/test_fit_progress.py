"""What ``fit`` prints, and where."""

import re

import torch

from practicezoo.training import Accuracy, Run, progress
from support.fitting import fit_for
from support.toys import classes, mlp, split


class TestProgress:
    def test_quiet_where_nobody_watches(self, capfd):
        fit_for(mlp(), [classes()], epochs=2, val_loader=[classes()])
        assert capfd.readouterr() == ("", "")

    def test_one_line_for_each_epoch_on_a_terminal(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        fit_for(
            mlp(), split(*classes(), 8), epochs=10, val_loader=[classes()], metrics={"accuracy": Accuracy()}
        )
        lines = capfd.readouterr().out.splitlines()
        number = r"-?\d\S*"
        assert len(lines) == 10
        for epoch, line in enumerate(lines, start=1):
            assert re.fullmatch(
                rf"epoch +{epoch}/10  train_loss {number}  learning_rate 0.1  val_loss {number}  "
                rf"val_accuracy {number}  {number} s",
                line,
            )

    def test_progress_can_be_switched_off(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        fit_for(mlp(), [classes()], progress=False)
        assert capfd.readouterr() == ("", "")

    def test_the_bar_shows_loss_and_rate(self, capfd, monkeypatch):
        monkeypatch.setattr(progress, "is_interactive", lambda: True)
        run = Run(mlp(), None, epochs=1, epoch=1, train_loader=range(2))
        with progress.EpochBar(run, show=True) as bar:
            bar._bar.mininterval = 0
            for _ in range(2):
                run.losses.add(torch.tensor(1.5), 4)
                bar.advance(4)
        assert re.search(r"epoch 1/1.*2/2.*loss 1\.5000, [\d,]+ items/s", capfd.readouterr().err)

    def test_interactive_is_a_terminal_or_a_notebook(self, monkeypatch):
        monkeypatch.delitem(progress.sys.modules, "ipykernel", raising=False)
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False)
        assert not progress.is_interactive()
        monkeypatch.setitem(progress.sys.modules, "ipykernel", progress)
        assert progress.is_interactive()
        monkeypatch.delitem(progress.sys.modules, "ipykernel")
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
        assert progress.is_interactive()
