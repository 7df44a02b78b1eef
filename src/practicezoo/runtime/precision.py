"""Precisions of the arithmetic: float32, or autocast in a half precision."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, TypeAlias, get_args

import torch

from practicezoo.arguments import check_choice

__all__ = ["Precision", "autocast", "check_precision"]

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]

AS_IT_IS = nullcontext()
AUTOCAST_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """The autocast context of ``precision``; for "fp32" none, or one that ends the caller's own."""
    if precision == "fp32" and not torch.is_autocast_enabled(device.type):
        return AS_IT_IS
    return torch.autocast(device.type, AUTOCAST_DTYPES[precision], enabled=precision != "fp32")


def check_precision(precision: str) -> None:
    """Raise ValueError if ``precision`` is unknown."""
    check_choice(get_args(Precision), precision=precision)
