"""The doctor finds every planted mistake, and nothing in sound programs."""

import re
from pathlib import Path

import pytest
import torch

import practicezoo.training._checks
from practicezoo.training import Finding, check
from training.planted import PLANTED

# Findings that come with a planted mistake, for they follow from it and need mending as well.
ALONGSIDE = {}


def examine(program):
    return check(
        program.model,
        program.loader,
        criterion=program.criterion,
        optimizer=program.optimizer,
        val_loader=program.val_loader,
    )


@pytest.mark.parametrize(
    ("code", "make"), PLANTED, ids=[f"{code}: {make.__name__}" for code, make in PLANTED]
)
def test_a_planted_mistake_is_found_and_nothing_else(code, make):
    findings = examine(make())
    assert {finding.code for finding in findings} == {code} | ALONGSIDE.get(make.__name__, set()), findings
    for finding in findings:
        assert finding.message
        assert finding.fix
        assert "\n" not in str(finding)
        assert not re.search(r"[^.]\.$", finding.message)
