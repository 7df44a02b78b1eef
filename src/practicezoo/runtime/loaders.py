"""What a loader is made of."""

from types import FunctionType
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

__all__ = ["has_persistent_workers", "loader_parts", "start_workers"]

PARTS = frozenset(
    {"batch_sampler", "collate_fn", "dataset", "datasets", "loader", "sampler"}
    | {"target_transform", "transform", "transforms"}
)
KINDS = DataLoader, Dataset, Sampler


def loader_parts(*loaders: Any) -> list[Any]:
    """The loaders, and the samplers, data sets, transforms and so on that they use, each once."""
    pending: list[Any] = []
    for loader in loaders:
        # by name: a loader around another one may pass its samplers on
        batch_sampler = getattr(loader, "batch_sampler", None)
        pending += [loader, getattr(loader, "sampler", None), batch_sampler]
        pending.append(getattr(batch_sampler, "sampler", None))
    found: dict[int, Any] = {}
    while pending:
        part = pending.pop(0)
        if part is None or isinstance(part, FunctionType) or id(part) in found:
            continue
        found[id(part)] = part
        # not getattr: a data set may answer to any name, or compute what it is asked for
        for name, value in getattr(part, "__dict__", {}).items():
            if name in PARTS:
                pending += value if isinstance(value, list | tuple) else [value]
            elif isinstance(value, KINDS):
                pending.append(value)
    return list(found.values())


def has_persistent_workers(loader: Any) -> bool:
    """Whether the loader, or one inside it, has worker processes that live as long as it does."""
    return any(
        isinstance(part, DataLoader) and part.num_workers > 0 and part.persistent_workers
        for part in loader_parts(loader)
    )


def start_workers(loader: Any) -> None:
    """Start worker processes that live as long as their loader, as its first epoch did.

    Their seeds are sampled from the global generator once, when they start: do it before a state is put
    back, so that no later sample is another one.
    """
    for part in loader_parts(loader):
        if isinstance(part, DataLoader) and has_persistent_workers(part):
            iter(part)
