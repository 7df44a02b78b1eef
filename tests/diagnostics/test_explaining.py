"""Each code is explained, and the programs that explain it do what they say."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from practicezoo import fit
from practicezoo.diagnostics import check
from practicezoo.diagnostics.explaining import COMMON, explain, explanations
from support.planted import PLANTED

README = Path(__file__).parents[2] / "README.md"
GUIDE = Path(__file__).parents[2] / "docs" / "checking.md"


def run(program):
    """Run a program: its model, its loader, and what else it has made for `check` or `fit`."""
    torch.manual_seed(0)
    made: dict[str, Any] = {}
    exec(COMMON + program, made)  # noqa: S102
    others = ("criterion", "optimizer", "val_loader", "lr_scheduler", "epochs")
    return made["model"], made["loader"], {name: made[name] for name in others if name in made}


def codes_of(program):
    model, loader, given = run(program)
    return [finding.code for finding in check(model, loader, **given)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
@pytest.mark.parametrize("each", explanations(), ids=lambda each: each.code)
def test_the_wrong_program_has_the_mistake_and_the_right_one_none(each):
    assert codes_of(each.wrong) == [each.code]
    assert codes_of(each.right) == []


@pytest.mark.filterwarnings("error", "ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("each", explanations(), ids=lambda each: each.code)
def test_fit_trains_the_right_program(each):
    model, loader, given = run(each.right)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    defaults = {"optimizer": torch.optim.SGD(trained, lr=0.01), "epochs": 1}
    history = fit(model, loader, **(defaults | given), progress=False)
    assert all(map(math.isfinite, history["train_loss"]))
    assert not all(torch.equal(old, new) for old, new in zip(before, trained, strict=True))


def test_every_code_is_explained():
    assert {each.code for each in explanations()} == {code for code, _ in PLANTED}


def test_the_guide_has_the_same_lines_in_the_same_groups():
    rows, group = [], ""
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        if title := re.fullmatch(r"\*\*(.*)\*\*", line):
            group = title[1]
        if row := re.fullmatch(r"\| \[`([a-z0-9-]+)`\]\(generated/errors.md#\1\) \| (.*) \|", line):
            rows.append((row[1], group, row[2]))
    assert rows == [(each.code, each.group, each.meaning) for each in explanations()]


def test_every_code_has_a_reason_and_two_short_programs():
    for each in explanations():
        assert each.why
        for program in (each.wrong, each.right):
            assert 1 <= len(program.splitlines()) <= 15, each.code


def test_an_explanation_fits_the_terminal():
    for each in explanations():
        assert max(map(len, str(each).splitlines())) <= 79
        assert each.code in str(each)


def test_the_readme_counts_the_codes():
    assert f"`check` names {len(explanations())} beginner's mistakes" in README.read_text(encoding="utf-8")


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match=r"code must be one that `check --list` shows, got 'x'$"):
        explain("x")
    with pytest.raises(ValueError, match="got 'samples_mixed'; near: samples-mixed"):
        explain("samples_mixed")
