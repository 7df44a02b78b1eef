"""A record of what a pass computes, whatever module or function of torch computes it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = [
    "NOISE",
    "IndexOutOfRangeError",
    "Layer",
    "LossCall",
    "OperationRecorder",
    "RandomCall",
    "Rectified",
]

LOSSES = {
    "cross_entropy": "cross-entropy",
    "nll_loss": "nll",
    "kl_div": "kl",
    "binary_cross_entropy": "bce",
    "binary_cross_entropy_with_logits": "bce-with-logits",
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "sub", "rsub"), "difference"),
    "poisson_nll_loss": "poisson",
}
WEIGHED = {
    *("linear", "conv1d", "conv2d", "conv3d", "rnn_tanh", "rnn_relu", "gru", "lstm"),
    *("rnn_tanh_cell", "rnn_relu_cell", "gru_cell", "lstm_cell"),
}
RECTIFIERS = {"relu", "relu_"}
# Where each dropout function has the argument that says whether it drops, and its default.
DROPOUTS = {
    **dict.fromkeys(
        ("dropout", "alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"),
        ("training", 2, True),
    ),
    "scaled_dot_product_attention": ("dropout_p", 4, 0.0),
}
NOISE = {
    *("rand", "rand_like", "uniform_", "randn", "randn_like", "normal", "normal_", "log_normal_", "poisson"),
    *("randint", "randint_like", "random_", "randperm", "multinomial", "bernoulli", "bernoulli_", "binomial"),
    *("exponential_", "geometric_", "cauchy_", "gumbel_softmax"),
}
MIN_CLASS_DIMS = 2  # (N, C, ...)


class IndexOutOfRangeError(Exception):
    """An index for which a GPU fails with an assertion, after which the process cannot use it any more."""


class Layer(NamedTuple):
    """A product with weights: where it stands, the scale of what came in, and what came out."""

    where: str
    mean: Tensor
    std: Tensor
    outputs: Tensor


class Rectified(NamedTuple):
    """A ReLU: where it stands, which of its units are zero for the whole batch, and for how many values."""

    where: str
    dead: Tensor
    num_values: int


class RandomCall(NamedTuple):
    """A function that drew random numbers: where it stands, its name, and the shape of what it gave."""

    where: str
    name: str
    shape: tuple[int, ...]

    @property
    def drops(self) -> bool:
        """Whether it is a dropout."""
        return self.name in DROPOUTS


class LossCall(NamedTuple):
    """One of torch's losses, or a difference of outputs and targets by hand, that the criterion computes."""

    kind: str
    inputs: Tensor
    targets: Tensor
    ignore_index: int = -100
    by_hand: bool = False

    @property
    def num_classes(self) -> int:
        """The logits of an item."""
        return self.inputs.shape[1 if self.inputs.ndim > 1 else 0]

    def wrong_targets(self) -> Tensor:
        """The class indices that are neither a class nor ignored."""
        targets = self.targets
        wrong = (targets < 0) | (targets >= self.num_classes)
        return targets[wrong & (targets != self.ignore_index)]


class OperationRecorder(TorchFunctionMode):
    """Records the layers, ReLUs and losses that are computed while it is entered.

    Args:
        where: returns the name of the module that runs.
        pair: outputs and targets, whose plain difference counts as a loss.
    """

    def __init__(self, where: Callable[[], str], pair: tuple[Any, Any] = (None, None)) -> None:
        super().__init__()
        self.where = where
        self.pair = {id(each) for each in pair}
        self.layers: list[Layer] = []
        self.rectified: list[Rectified] = []
        self.loss_calls: list[LossCall] = []
        self.random_calls: list[RandomCall] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        name = getattr(func, "__name__", "")
        operands = [*args, *(keywords[key] for key in ("input", "target") if key in keywords), None, None]
        first, second = operands[:2]
        tensors = isinstance(first, Tensor), isinstance(second, Tensor)
        if name == "embedding" and all(tensors):
            _check_ids(first, len(second))
        if name in LOSSES and all(tensors):
            index = keywords.get("ignore_index", args[4] if len(args) > 4 else -100)
            self._record_loss(name, first, second, index)
        result = func(*args, **keywords)
        if name in WEIGHED and tensors[0]:
            self._record_layer(first.detach(), result[0] if isinstance(result, tuple) else result)
        if name in RECTIFIERS and isinstance(result, Tensor) and result.ndim > 1:
            self.rectified.append(_rectified(self.where(), result.detach()))
        if isinstance(result, Tensor) and (name in NOISE or _drops(name, args, keywords)):
            self.random_calls.append(RandomCall(self.where(), name, tuple(result.shape)))
        return result

    def _record_layer(self, inputs: Tensor, outputs: Tensor) -> None:
        # a table has a scale in each of its columns
        std, mean = torch.std_mean(
            inputs.float(), dim=0 if inputs.ndim == MIN_CLASS_DIMS else None, correction=0
        )
        self.layers.append(Layer(self.where(), mean, std, outputs))

    def _record_loss(self, name: str, inputs: Tensor, targets: Tensor, ignore_index: Any) -> None:
        by_hand = name in {"sub", "rsub"}
        if by_hand:
            if {id(inputs), id(targets)} != self.pair:
                return
            inputs, targets = (targets, inputs) if targets.requires_grad else (inputs, targets)
        call = LossCall(
            LOSSES[name], inputs, targets, ignore_index if isinstance(ignore_index, int) else -100, by_hand
        )
        self.loss_calls.append(call)
        takes_classes = call.kind in {"cross-entropy", "nll"} and not targets.is_floating_point()
        if takes_classes and targets.device.type == "cuda" and call.wrong_targets().numel():
            raise IndexOutOfRangeError


def _drops(name: str, args: Any, keywords: Any) -> bool:
    """Whether this is a dropout that drops."""
    if name not in DROPOUTS:
        return False
    argument, place, default = DROPOUTS[name]
    return bool(keywords.get(argument, args[place] if len(args) > place else default))


def _check_ids(ids: Tensor, num_rows: int) -> None:
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= num_rows):
        raise IndexOutOfRangeError(
            f"ids must lie in [0, {num_rows}), got {int(ids.min())} to {int(ids.max())}"
        )


def _rectified(where: str, values: Tensor) -> Rectified:
    """The units lie in the second dimension; behind a linear layer over steps, in the last."""
    dims = (1,) if values.ndim != 3 else (1, 2)
    units = [(values == 0).movedim(dim, -1).flatten(0, -2).all(dim=0) for dim in dims]
    dead = min(units, key=lambda each: float(each.float().mean()))
    return Rectified(where, dead, values.numel() // len(dead))
