"""What a batch is: its two parts, how many items it has, how it moves, and how a model is called with it."""

import inspect
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import Dataset

__all__ = [
    "ModelCall",
    "call_model",
    "check_loaders",
    "check_model",
    "is_plain_sequence",
    "move_to",
    "no_batch",
    "num_items",
    "split_batch",
    "unwrap",
]


def move_to(data: Any, device: torch.device | str) -> Any:
    """Move everything in ``data`` that can move to ``device``.

    Whatever has a ``to`` method is moved by it (tensors, PackedSequence,
    :class:`~practicezoo.PaddedSequence`, whose lengths stay on the CPU); tuples, named tuples, lists and
    dicts are moved element by element; all else is returned as it is.

    Example:
        >>> move_to({"ids": torch.arange(3), "names": ["Li"]}, "cpu")
        {'ids': tensor([0, 1, 2]), 'names': ['Li']}
    """
    if isinstance(data, torch.Tensor):
        if data.device == device:
            return data
        # a copy to the CPU must have arrived by the time it is read
        return data.to(device, non_blocking=torch.device(device).type != "cpu")
    if hasattr(data, "to"):
        return data.to(device)
    if isinstance(data, dict):
        return {key: move_to(value, device) for key, value in data.items()}
    if isinstance(data, tuple | list):
        moved = [move_to(value, device) for value in data]
        return type(data)(*moved) if hasattr(data, "_fields") else type(data)(moved)
    return data


def split_batch(batch: Any) -> tuple[Any, Any]:
    """The inputs and targets of a batch.

    A batch is a plain tuple or list of the two, or a mapping with exactly the keys "inputs" and "targets". A
    named tuple (PaddedSequence, PackedSequence) is one input, though a tuple of two.

    Raises:
        TypeError: if it is anything else.
    """
    if is_plain_sequence(batch) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, Mapping) and batch.keys() == {"inputs", "targets"}:
        return batch["inputs"], batch["targets"]
    found = type(batch).__name__
    if is_plain_sequence(batch):
        found = f"{found} of {len(batch)}"
    elif isinstance(batch, Mapping):
        found = f"{found} with the keys {', '.join(map(str, batch))}"
    hint = "" if is_plain_sequence(batch) else ": let the loader's collate_fn return such pairs"
    raise TypeError(
        f"a batch must be a plain pair (inputs, targets), or a dict of these two, got {found}{hint}"
    )


def is_plain_sequence(data: Any) -> bool:
    """Whether this is a tuple or list without a meaning of its own, as named tuples have."""
    return isinstance(data, tuple | list) and not hasattr(data, "_fields")


def num_items(data: Any, *, beside: Any = None) -> int:
    """How many items a batch's inputs or targets are for.

    The rows of a tensor, the sequences of a padded or packed batch. Tensors with equally many rows are
    several values of each item, lists of anything else one entry for each item; where both can be meant,
    ``beside`` decides.

    Args:
        data: the targets, or the inputs.
        beside: the other part of the batch, if there is one.

    Raises:
        TypeError: if ``data`` has no rows to count.
        ValueError: if it is a list of tensors whose meaning cannot be told.
    """
    if isinstance(data, Tensor) and data.ndim > 0:
        return len(data)
    if isinstance(data, PackedSequence):
        return int(data.batch_sizes[0])
    if hasattr(data, "lengths") and hasattr(data, "data"):
        return len(data)
    if isinstance(data, Mapping) and data:
        return num_items(next(iter(data.values())), beside=beside)
    if is_plain_sequence(data) and data:
        return _num_items_of_list(data, beside)
    if isinstance(data, tuple) and data:  # a named tuple
        return num_items(data[0], beside=beside)
    raise TypeError(f"targets must be a tensor or a collection of tensors, got {_described(data)}")


def _num_items_of_list(parts: Sequence[Any], beside: Any) -> int:
    rows = [_num_rows(part) for part in parts]
    if None in rows or len(set(rows)) > 1:
        if all(isinstance(part, Tensor | Real | Mapping) for part in parts):
            return len(parts)  # one entry for each item
        raise TypeError(f"targets must be a tensor or a collection of tensors, got {_described(parts[0])}")
    (num_rows,) = set(rows)
    if num_rows is None or num_rows == len(parts) or beside is None:
        return len(parts) if num_rows is None else num_rows
    expected = num_items(beside)
    if expected not in {num_rows, len(parts)}:
        raise ValueError(
            f"targets must be for the {expected} items of the batch, got a list of {len(parts)} tensors with "
            f"{num_rows} rows each"
        )
    return expected


def _num_rows(part: Any) -> int | None:
    if isinstance(part, Tensor) or hasattr(part, "lengths"):
        return None if isinstance(part, Tensor) and part.ndim == 0 else len(part)
    return num_items(part) if is_plain_sequence(part) and part and isinstance(part[0], Tensor) else None


def _described(data: Any) -> str:
    return "a tensor without dimensions" if isinstance(data, Tensor) else type(data).__name__


class ModelCall:
    """Calls a model with the inputs of batches.

    A tensor, a named tuple or a PackedSequence is the one argument of ``forward``; a plain tuple or list is
    its positional arguments, a mapping its keywords. Each form is bound to the signature of the model's
    ``forward`` once.

    Args:
        model: what is called, wrapped or not.

    Raises:
        TypeError: in a call, if the inputs do not fit the signature.
        ValueError: in a call, if a list of tensors is rather one argument.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._signature = inspect.signature(unwrap(model).forward)
        self._fitting: set[Any] = set()

    def __call__(self, inputs: Any) -> Any:
        """The model's outputs."""
        if isinstance(inputs, Tensor):  # first, as it is the usual one
            return self.model(inputs)
        if isinstance(inputs, Mapping):
            form: Any = tuple(inputs)
            arguments, keywords = (), dict(inputs)
        elif is_plain_sequence(inputs):
            form = len(inputs)
            arguments, keywords = tuple(inputs), {}
            self._check_parts(inputs)
        else:
            return self.model(inputs)
        if form not in self._fitting:
            self._check_fits(arguments, keywords)
            self._fitting.add(form)
        return self.model(*arguments, **keywords)

    def _check_fits(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        try:
            self._signature.bind(*arguments, **keywords)
        except TypeError as error:
            given = (
                f"the keywords {', '.join(keywords)}"
                if keywords
                else f"{len(arguments)} positional arguments"
            )
            raise TypeError(
                f"inputs must fit {type(unwrap(self.model)).__name__}.forward{self._signature}, got {given}: "
                f"{error}; give what is one argument as a tensor or a named tuple"
            ) from None

    @staticmethod
    def _check_parts(inputs: Sequence[Any]) -> None:
        """Raise ValueError for tensors that are samples of different sizes rather than arguments."""
        rows = {len(part) for part in inputs if isinstance(part, Tensor) and part.ndim > 0}
        if len(inputs) > 1 and len(rows) > 1 and all(isinstance(part, Tensor) for part in inputs):
            raise ValueError(
                "inputs must be arguments of forward with one row for each item, got a list of tensors with "
                f"{', '.join(map(str, sorted(rows)))} rows: pad samples of different lengths with "
                "collate_fn=pad_collate, or give the list as a named tuple's field"
            )


def call_model(model: Any, inputs: Any) -> Any:
    """The model's outputs for a batch's inputs; see :class:`ModelCall`."""
    return ModelCall(model)(inputs)


def unwrap(model: Any) -> Any:
    """The user's own module inside wrappers of ``torch.compile``, DataParallel and the distributed one."""
    while True:
        if isinstance(model, DataParallel | DistributedDataParallel):
            model = model.module
        elif isinstance(inner := vars(model).get("_modules", {}).get("_orig_mod"), nn.Module):
            model = inner
        else:
            return model


def check_loaders(**loaders: Any) -> None:
    """Raise TypeError for the first loader that cannot give batches; None is left out."""
    for argument, loader in loaders.items():
        if loader is None:
            continue
        if isinstance(loader, Tensor) or (
            isinstance(loader, tuple) and loader and all(isinstance(part, Tensor) for part in loader)
        ):
            raise TypeError(f"{argument} must give batches, as a TensorLoader of them does, got tensors")
        if isinstance(loader, Dataset) and not hasattr(loader, "batch_size"):
            raise TypeError(
                f"{argument} must give batches, got the data set {type(loader).__name__}: give "
                "DataLoader(dataset, batch_size=...)"
            )
        if not (hasattr(loader, "__iter__") or hasattr(loader, "__getitem__")):
            raise TypeError(f"{argument} must be an iterable of batches, got {type(loader).__name__}")


def check_model(model: object) -> nn.Module:
    """The model, or TypeError for what is no module."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    return model


def no_batch() -> ValueError:
    """The error for a loader that gave no batch."""
    return ValueError("loader must give at least one batch, got none")
