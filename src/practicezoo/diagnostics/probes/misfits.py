"""Outputs of another kind than the criterion takes: probabilities for logits, logits for probabilities."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor

from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.recorder import LossCall

__all__ = ["MISFITS", "are_probabilities", "find_misfit", "last_computation"]

# The last computation before the loss, by the name that autograd gives it.
ACTIVATIONS = {
    "SoftmaxBackward0": "softmax",
    "LogSoftmaxBackward0": "log-softmax",
    "SigmoidBackward0": "sigmoid",
    "ReluBackward0": "relu",
}
# What only rearranges values; the name of the class ends in "Backward" and a digit.
ARRANGING = (
    *("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T", "Permute", "Clone"),
    *("Slice", "Select"),
)
PRODUCTS = ("Addmm", "Mm", "Convolution", "Bmm", "Linear")
# What each criterion that takes logits makes of an activation before it.
MISFITS: Mapping[str, tuple[str, str]] = {
    "softmax-before-cross-entropy": (
        "the outputs go through a softmax, and CrossEntropyLoss applies another: no probability gets near 1",
        "remove the softmax: the model returns logits",
    ),
    "log-softmax-before-cross-entropy": (
        "the outputs go through a log-softmax, which CrossEntropyLoss applies itself",
        "remove the log-softmax, or keep it and take NLLLoss",
    ),
    "sigmoid-before-cross-entropy": (
        "the outputs go through a sigmoid, and CrossEntropyLoss takes logits: no probability gets near 1",
        "remove the sigmoid, or take BCELoss if a sample may have several classes",
    ),
    "relu-before-cross-entropy": (
        "the outputs go through a ReLU, and CrossEntropyLoss takes logits, of either sign",
        "remove the ReLU behind the last layer",
    ),
    "sigmoid-before-bce-with-logits": (
        "the outputs go through a sigmoid, and BCEWithLogitsLoss applies another: none falls below 0.5",
        "remove the sigmoid: the model returns logits",
    ),
    "softmax-before-bce-with-logits": (
        "the outputs go through a softmax, and BCEWithLogitsLoss adds a sigmoid: none falls below 0.5",
        "remove the softmax; take CrossEntropyLoss if each sample has one class",
    ),
    "relu-before-bce-with-logits": (
        "the outputs go through a ReLU, and BCEWithLogitsLoss takes logits: no probability falls below 0.5",
        "remove the ReLU behind the last layer",
    ),
}
OF_LOGARITHMS = {
    "nll": (
        "nll-needs-log-probabilities",
        "NLLLoss",
        "end the model with LogSoftmax(dim=1), or take CrossEntropyLoss",
    ),
    "kl": (
        "kl-needs-log-probabilities",
        "KLDivLoss",
        "end the model with LogSoftmax(dim=1)",
    ),
}
TOLERANCE = 1e-2  # probabilities may come in half precision
CERTAIN = 1e-4  # four rows of anything else do not all sum to 1 so nearly
NUM_CERTAIN = 4


def find_misfit(call: LossCall) -> Iterator[Finding]:
    """An activation that the loss applies itself, or one that it needs."""
    code = f"{_last_activation(call.inputs)}-before-{call.kind}"
    if code in MISFITS:
        yield Finding(code, *MISFITS[code])
    if call.kind == "bce":
        yield from _find_logits(call.inputs)
    if call.kind in OF_LOGARITHMS:
        yield from _find_no_logarithms(call)


def _find_logits(outputs: Tensor) -> Iterator[Finding]:
    """BCELoss: what comes from a product with weights is no probability, even if it lies between 0 and 1."""
    lowest, highest = float(outputs.min()), float(outputs.max())
    if lowest < 0 or highest > 1 or last_computation(outputs).startswith(PRODUCTS):
        yield Finding(
            "bce-needs-probabilities",
            f"BCELoss takes probabilities, and the outputs are logits ({lowest:.3g} to {highest:.3g} here)",
            "take BCEWithLogitsLoss (or end the model with a sigmoid)",
        )


def _find_no_logarithms(call: LossCall) -> Iterator[Finding]:
    """NLL and Kullback-Leibler: logarithms of probabilities."""
    outputs = call.inputs.detach().float()
    code, name, advice = OF_LOGARITHMS[call.kind]
    dim = 1 if outputs.ndim > 1 else 0
    if outputs.shape[dim] < 2:  # a single class is always certain
        return
    wrong = bool((outputs > TOLERANCE).any())
    if call.kind == "nll":  # the divergence may be of whole images: what sums to 1 is not known
        wrong = wrong or bool((outputs.logsumexp(dim=dim).abs() > TOLERANCE).any())
    if wrong:
        what = "probabilities" if are_probabilities(outputs) else "no logarithms of probabilities"
        yield Finding(code, f"{name} takes logarithms of probabilities, and the outputs are {what}", advice)


def are_probabilities(values: Tensor, *, tolerance: float = TOLERANCE) -> bool:
    """Whether each row has numbers from 0 to 1 that sum to 1."""
    if values.ndim < 2:
        return False
    return bool((values >= 0).all() and ((values.sum(dim=1) - 1).abs() < tolerance).all())


def _last_activation(outputs: Tensor) -> str | None:
    """The activation that made the outputs; a softmax, however it was computed."""
    made_by_hand = len(outputs) >= NUM_CERTAIN and are_probabilities(outputs.detach(), tolerance=CERTAIN)
    return ACTIVATIONS.get(last_computation(outputs), "softmax" if made_by_hand else None)


def last_computation(outputs: Tensor, *, through: Collection[str] = ()) -> str:
    """What made the values, by autograd's name: behind what only arranges them, and behind ``through``."""
    node: Any = outputs.grad_fn
    while node is not None and type(node).__name__.split("Backward")[0] in {*ARRANGING, *through}:
        node = node.next_functions[0][0]
    return type(node).__name__
