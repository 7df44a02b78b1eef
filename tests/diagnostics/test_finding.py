"""A finding says what is wrong and how to fix it, and does not change."""

import dataclasses

import pytest

from practicezoo.arguments import listed
from practicezoo.diagnostics import Finding
from practicezoo.diagnostics.finding import one_line


def test_a_finding_is_frozen():
    finding = Finding("no-batch", "the loader gave no batch", "check that there is data")
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.code = "other"  # type: ignore[misc]


def test_a_long_list_of_names_is_cut_and_counted():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_an_error_of_many_lines_becomes_one_without_its_full_stop():
    assert one_line(ValueError("wrong\n  shape.")) == "ValueError: wrong shape"
    assert one_line(KeyError()) == "KeyError"


def test_a_long_message_is_cut():
    assert one_line(ValueError("x" * 1000)) == f"ValueError: {'x' * 240}..."


def test_an_error_is_shown_without_addresses():
    error = TypeError("cannot pickle <function f at 0x7fae2057F1a0>: no such name")
    assert one_line(error) == "TypeError: cannot pickle <function f>: no such name"
