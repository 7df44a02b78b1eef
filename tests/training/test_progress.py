"""What a terminal shows: a bar while an epoch runs, and its line afterwards."""

import os
import re
import sys
import threading
import time

import pytest
from torch import nn
from torch.optim import SGD

from practicezoo.training import fit, progress
from support.toys import classes, mlp, split

termios = pytest.importorskip("termios", reason="this system has no pseudo-terminals")
pty = pytest.importorskip("pty")

NUMBER = r"-?\d\S*"


class Uncounted:
    """Batches that are waited for, so that the bar is drawn in between; nobody knows how many."""

    def __iter__(self):
        for batch in split(*classes(), 10):
            time.sleep(0.12)  # tqdm draws every tenth of a second
            yield batch


class Slow(Uncounted):
    """The same, counted."""

    def __len__(self):
        return 3


class Terminal:
    """Standard output and error on a pseudo-terminal; ``text`` is what was written there."""

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 100))
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self.written = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.patch.delitem(sys.modules, "ipykernel", raising=False)
        self.patch.setattr(sys, "stdout", self.file)
        self.patch.setattr(sys, "stderr", self.file)
        return self

    def __exit__(self, *error):
        self.patch.undo()
        self.file.close()
        self.reader.join()
        os.close(self.ours)

    def read(self):
        try:
            while data := os.read(self.ours, 4096):
                self.written.append(data)
        except OSError:  # the other end was closed
            return

    @property
    def text(self):
        return b"".join(self.written).decode()


def train(loader, **settings):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    return fit(model, loader, criterion=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2, **settings)


def remaining(text):
    """The lines that are left when every carriage return has overwritten its line."""
    return [line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]


def test_a_bar_with_loss_and_rate_then_a_line_for_each_epoch():
    with Terminal() as terminal:
        train(Slow())
    text = terminal.text
    bars = re.findall(rf"epoch 1/2: +\d+%\|[^|]*\| (\d)/3 \[.*?, loss ({NUMBER}), [\d,]+ items/s\]", text)
    assert [number for number, _ in bars][-1] == "3"  # the last update's bar has its own loss
    assert "update/s" not in text
    lines = remaining(text)
    assert len(lines) == 3
    for epoch, line in enumerate(lines[:2], start=1):
        assert re.fullmatch(rf"epoch {epoch}/2  train_loss {NUMBER}  learning_rate 0.1  {NUMBER} s", line)
    assert lines[2] == ""


def test_updates_are_counted_where_nobody_knows_their_number():
    with Terminal() as terminal:
        train(Uncounted())
    assert re.search(rf"epoch 2/2: \d updates \[\d+:\d+, loss {NUMBER}, [\d,]+ items/s\]", terminal.text)


def test_the_bar_goes_when_training_fails():
    class Failing(Uncounted):
        def __iter__(self):
            yield from super().__iter__()
            raise RuntimeError("no more data")

    with Terminal() as terminal, pytest.raises(RuntimeError, match="no more data"):
        train(Failing())
    assert remaining(terminal.text)[-1].strip() == ""


def test_nothing_is_shown_on_a_terminal_either_if_it_is_switched_off():
    with Terminal() as terminal:
        train(Slow(), progress=False)
    assert terminal.text == ""


def test_nobody_watches_a_program_without_standard_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress.is_interactive()
