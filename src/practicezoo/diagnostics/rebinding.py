"""Functions that reach the program by name, such as a criterion that penalises ``model.parameters()``."""

import functools
from collections.abc import Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

__all__ = ["rebound"]


def rebound(function: Any, copies: Mapping[int, Any]) -> Any:
    """The function, with copies in the places of the originals that its closure and globals hold.

    Functions of the same file that it calls are rebound as well. A function that reaches none of the
    originals, and what is no Python function, is returned as it is.

    Args:
        function: a function, or a ``functools.partial`` of one.
        copies: the copy of each original, by the original's ``id``.

    Example:
        >>> model, twin = ["weights"], ["copied weights"]
        >>> rebound(lambda: model[0], {id(model): twin})()
        'copied weights'
    """
    if isinstance(function, functools.partial):
        return functools.partial(rebound(function.func, copies), *function.args, **function.keywords)
    return _Rebinder(copies).of_function(function) if isinstance(function, FunctionType) else function


class _Rebinder:
    """Makes each function's copy once, also of those that call each other."""

    def __init__(self, copies: Mapping[int, Any]) -> None:
        self.copies = copies
        self.done: dict[int, FunctionType] = {}

    def of_function(self, function: FunctionType) -> FunctionType:
        """The function's copy, or itself if it reaches nothing that was copied."""
        if id(function) in self.done:
            return self.done[id(function)]
        own = function.__globals__
        cells = [CellType() for _ in function.__closure__ or ()]
        twin = FunctionType(
            function.__code__, {**own}, function.__name__, function.__defaults__, tuple(cells) or None
        )
        functools.update_wrapper(twin, function)
        twin.__kwdefaults__ = function.__kwdefaults__
        self.done[id(function)] = twin
        is_changed = False
        for name in {name for code in _codes(function.__code__) for name in code.co_names} & own.keys():
            twin.__globals__[name] = self.of_value(own[name], own)
            is_changed |= twin.__globals__[name] is not own[name]
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self.of_value(original.cell_contents, own)
            except ValueError:  # nothing is in it yet
                continue
            is_changed |= cell.cell_contents is not original.cell_contents
        if not is_changed:
            self.done[id(function)] = function
        return self.done[id(function)]

    def of_value(self, value: Any, namespace: Mapping[str, Any]) -> Any:
        """The copy of a value or of its entries; of a function of this namespace, one that has the copies."""
        if id(value) in self.copies:
            return self.copies[id(value)]
        if isinstance(value, FunctionType) and value.__globals__ is namespace:
            return self.of_function(value)
        if type(value) in {list, tuple} and any(id(each) in self.copies for each in value):
            return type(value)(self.copies.get(id(each), each) for each in value)
        return value


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions inside."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
