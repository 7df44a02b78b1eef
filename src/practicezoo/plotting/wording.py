"""What a box in the picture of a block says."""

import re
from collections.abc import Callable
from numbers import Real
from typing import Any

from torch import nn

__all__ = ["describe_function", "describe_module"]

PASSING = {
    "getitem",
    "get",
    "unbind",
    "split",
    "chunk",
    "detach",
    "contiguous",
    "to",
    "float",
    "clone",
    "squeeze",
    "unsqueeze",
}
NAMES = {
    "cat": "concatenate",
    "mul": "multiply",
    "sub": "subtract",
    "div": "divide",
    "matmul": "matrix product",
}
SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷"}  # noqa: RUF001
CELLS = (nn.RNN, nn.GRU, nn.LSTM)
POOLS = {
    nn.AvgPool1d: "mean pool",
    nn.AvgPool2d: "mean pool",
    nn.MaxPool1d: "max pool",
    nn.MaxPool2d: "max pool",
}
CONVOLUTIONS = {
    nn.Conv1d: "conv",
    nn.Conv2d: "conv",
    nn.Conv3d: "conv",
    nn.ConvTranspose1d: "transposed conv",
    nn.ConvTranspose2d: "transposed conv",
}
WORDS = {
    "BatchNorm1d": "batch norm",
    "BatchNorm2d": "batch norm",
    "LayerNorm": "layer norm",
    "GroupNorm": "group norm",
    "Linear": "linear",
    "Embedding": "embedding",
    "Flatten": "flatten",
    "AdaptiveAvgPool2d": "mean pool to size",
}


def describe_module(module: nn.Module) -> str | None:
    """A layer in words, its class where there are none; ``None`` for one that changes nothing."""
    if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and module.p == 0):
        return None
    if isinstance(module, nn.Dropout):
        return f"dropout {module.p:g}"
    if isinstance(module, CELLS):
        layers = f"\n{module.num_layers} layers" if module.num_layers > 1 else ""
        return f"{type(module).__name__}{layers}" + ("\nboth directions" if module.bidirectional else "")
    for kinds in (CONVOLUTIONS, POOLS):
        if type(module) in kinds:
            return f"{_window(module)} {kinds[type(module)]}{_extras(module, pools=kinds is POOLS)}"
    name = type(module).__name__
    return WORDS.get(name, name)


def _window(module: Any) -> str:
    """Sides of the kernel; of the pools torch keeps what the user passed, a number or a pair."""
    sides = module.kernel_size
    dimensions = 1 if type(module).__name__.endswith("1d") else 2
    return "x".join(str(side) for side in ([sides] * dimensions if isinstance(sides, int) else sides))


def _extras(module: Any, *, pools: bool) -> str:
    stride, usual = module.stride, module.kernel_size if pools else 1
    first, expected = (value if isinstance(value, int) else value[0] for value in (stride, usual))
    extras = [] if first == expected else [f"stride {first}"]
    dilation = 1 if pools else module.dilation[0]
    if dilation > 1:
        extras.append(f"dilation {dilation}")
    if getattr(module, "groups", 1) > 1:
        extras.append(f"{module.groups} groups")
    return "".join(f", {extra}" for extra in extras)


def describe_function(function: Callable[..., Any], args: Any) -> str | None:
    """A function in words; ``None`` for one that passes its input on, or parts of it."""
    name = function.__name__.strip("_").replace("truediv", "div")
    if name in PASSING or (name == "cat" and len(args[0]) == 1):
        return None
    found = re.fullmatch("([ir]?)(add|sub|mul|div)", name)
    if found is None:
        return NAMES.get(name, name)
    kind, name = found.groups()
    number = next((arg for arg in args if isinstance(arg, Real)), None)
    if number is None:
        return NAMES.get(name, name)
    if kind == "r" and name in {"sub", "div"}:
        return f"{number:g} {SIGNS[name]} input"
    return f"{SIGNS[name]} {number:g}"
