"""Functions that reach a program get its copies, and the originals are left alone."""

import copy
import functools

import pytest
import torch
from torch import nn

from practicezoo.diagnostics import check
from practicezoo.diagnostics.rebinding import rebound

model = nn.Linear(5, 3)  # as a script has it


def size_of_weights():
    return model.weight.abs().sum()


def with_penalty(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets) + 1e-3 * size_of_weights()


def copies_of(original):
    """A copy and the table by which it is found."""
    copies: dict[int, object] = {}
    return copy.deepcopy(original, copies), copies


def test_a_closure_gets_the_copy():
    original = nn.Linear(2, 2)
    twin, copies = copies_of(original)
    found = rebound(lambda: original, copies)
    assert found() is twin


def test_a_list_in_a_closure_gets_the_copies():
    original = nn.Linear(2, 2)
    parameters = list(original.parameters())
    twin, copies = copies_of(original)
    assert rebound(lambda: parameters, copies)() == list(twin.parameters())
    assert parameters == list(original.parameters())


def test_names_of_a_script_and_the_functions_it_calls_get_the_copy():
    twin, copies = copies_of(model)
    found = rebound(with_penalty, copies)
    outputs, targets = torch.randn(4, 3), torch.arange(4) % 3
    found(outputs, targets).backward()
    assert twin.weight.grad is not None
    assert model.weight.grad is None


def test_a_partial_gets_the_copy():
    twin, copies = copies_of(model)
    found = rebound(functools.partial(lambda _, which: (model, which), which=1), copies)
    assert found(None) == (twin, 1)


def test_functions_that_call_each_other_end():
    def is_even(number):
        return model if number == 0 else is_odd(number - 1)

    def is_odd(number):
        return None if number == 0 else is_even(number - 1)

    twin, copies = copies_of(model)
    assert rebound(is_even, copies)(4) is twin


@pytest.mark.parametrize("function", [len, copies_of, nn.MSELoss()])
def test_what_reaches_no_original_is_returned_as_it_is(function):
    _, copies = copies_of(model)
    assert rebound(function, copies) is function


def test_defaults_names_and_attributes_are_kept():
    def criterion(outputs, targets=1, *, scale=2):
        """Some loss."""
        return outputs, targets, scale, model

    criterion.kind = "some"
    twin, copies = copies_of(model)
    found = rebound(criterion, copies)
    assert found(0) == (0, 1, 2, twin)
    assert (found.__name__, found.__doc__, found.kind) == ("criterion", "Some loss.", "some")


def test_a_check_gives_a_criterion_the_copy():
    batch = torch.randn(32, 5), torch.arange(32) % 3
    optimizer = torch.optim.Adam(model.parameters())
    before = copy.deepcopy(model.state_dict())
    assert check(model, [batch], criterion=with_penalty, optimizer=optimizer) == []
    assert model.weight.grad is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
