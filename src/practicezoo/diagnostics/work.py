"""How much a pass computes, counted rather than timed: the same on every machine."""

from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["WorkCounter"]

CALL = 20_000  # multiplications and additions in the time that calling a function takes
PRODUCTS = {"matmul", "__matmul__", "bmm", "mm", "einsum", "scaled_dot_product_attention"}
CHANNELS_SECOND = ("conv", "batch_norm", "group_norm", "instance_norm")


class WorkCounter(TorchFunctionMode):
    """Counts, while it is entered, what torch's functions compute.

    Attributes:
        of_data: multiply-adds, which grow with the batch.
        of_calls: what the calls of the functions cost besides, in multiply-adds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of_data = self.of_calls = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple) and result else result
        if isinstance(first, Tensor):
            operands = [*args, *(kwargs or {}).values()]
            self.of_data += _multiply_adds(getattr(func, "__name__", ""), operands, first)
            self.of_calls += CALL
        return result


def _multiply_adds(name: str, operands: list[Any], result: Tensor) -> int:
    """Each weight once for each row of the result; the inner dimension of a product; else one a value."""
    if name in PRODUCTS:
        first = next((each for each in operands if isinstance(each, Tensor) and each.ndim), result)
        return result.numel() * (first.shape[-1] if first.ndim else 1)
    if result.ndim < 2 or name == "embedding":
        return result.numel()
    nested = [part for each in operands for part in (each if isinstance(each, list | tuple) else [each])]
    num_weights = sum(each.numel() for each in nested if isinstance(each, nn.Parameter))
    num_channels = result.shape[1 if name.startswith(CHANNELS_SECOND) else -1]
    return max(result.numel(), result.numel() // max(num_channels, 1) * num_weights)
