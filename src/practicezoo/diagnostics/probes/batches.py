"""Mistakes that a batch shows by itself, before anything is computed on it."""

from collections.abc import Generator, Iterator
from typing import Any

from torch import Tensor

from practicezoo.batches import num_items, split_batch
from practicezoo.diagnostics.attempt import attempt
from practicezoo.diagnostics.dry_run import tensors_in
from practicezoo.diagnostics.finding import Finding
from practicezoo.diagnostics.reading import batches

__all__ = ["find_in_inputs", "find_in_targets", "read_batch"]

# Eight equal samples are no coincidence; fewer may be, where inputs are words or binary.
MIN_EQUAL = 8


def read_batch(loader: Any) -> Generator[Finding, None, tuple[Any, Any] | None]:
    """Return the loader's first batch if it is a pair with items to count."""
    batch = next(batches(loader), None)
    if batch is None:
        yield Finding(
            "no-batch",
            "the loader gave no batch",
            "check that there is data, and with drop_last=True at least one batch of it",
        )
        return None
    pair, error = attempt(split_batch, batch)
    if error is not None:
        yield Finding(
            "batch-not-a-pair",
            str(error),
            "let the data set return (inputs, target) for each sample",
        )
        return None
    _, error = attempt(num_items, pair[1])
    if error is not None:
        yield Finding(
            "target-type",
            str(error),
            "turn labels into numbers: their places in a list of classes",
        )
        return None
    return pair


def find_in_inputs(inputs: Any, num_samples: int) -> Iterator[Finding]:
    """Values that are NaN or infinite, samples that are all the same, sequences of no steps."""
    tensors = list(tensors_in(inputs))
    broken = sum(int((~tensor.isfinite()).sum()) for tensor in tensors if tensor.is_floating_point())
    if broken:
        yield Finding(
            "input-not-finite",
            f"the first batch's inputs are NaN or infinite in {broken:,} places",
            "look for missing or broken values where the data is read, and for a division by 0 in its "
            "preparation",
        )
    # a table of lengths beside the data may well be constant
    samples = [tensor for tensor in tensors if len(tensor) == num_samples and tensor.ndim > 1]
    if num_samples >= MIN_EQUAL and samples and all(bool((each == each[:1]).all()) for each in samples):
        yield Finding(
            "constant-inputs",
            f"all {num_samples} samples of the first batch are the same",
            "check that the data is read sample by sample, and not scaled or clipped to nothing",
        )
    for lengths in _lengths(inputs):
        empty = (lengths < 1).nonzero().flatten()
        if len(empty):
            yield Finding(
                "zero-length",
                f"{len(empty)} of the first batch's {len(lengths)} sequences have a length of 0, the first "
                f"one at index {int(empty[0])}",
                "leave empty sequences out when the data is read",
            )


def find_in_targets(targets: Any) -> Iterator[Finding]:
    """Targets that are NaN or infinite."""
    tensors = [tensor for tensor in tensors_in(targets) if tensor.is_floating_point()]
    broken = sum(int((~tensor.isfinite()).sum()) for tensor in tensors)
    if broken:
        yield Finding(
            "target-not-finite",
            f"the first batch's targets are NaN or infinite in {broken:,} places",
            "leave samples without a target out when the data is read",
        )


def _lengths(inputs: Any) -> Iterator[Tensor]:
    """The lengths in a batch: an attribute or an entry of that name."""
    found = inputs.get("lengths") if isinstance(inputs, dict) else getattr(inputs, "lengths", None)
    if isinstance(found, Tensor) and found.ndim == 1:
        yield found
    if isinstance(inputs, list | tuple):
        for part in inputs:
            yield from _lengths(part)
