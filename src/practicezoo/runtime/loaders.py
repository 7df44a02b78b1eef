"""What a loader is made of."""

from typing import Any

__all__ = ["loader_parts", "start_workers"]

PARTS = ("sampler", "batch_sampler", "dataset", "transform")


def loader_parts(loader: Any) -> list[Any]:
    """The loader itself, and the samplers, data sets and transforms that it draws on, each once."""
    # by name: a loader around another one may pass its samplers on
    pending = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    pending.append(getattr(pending[-1], "sampler", None))
    found: list[Any] = []
    while pending:
        part = pending.pop(0)
        if part is None or any(part is other for other in found):
            continue
        found.append(part)
        # not getattr: a data set may answer to any name, or compute what it is asked for
        own = getattr(part, "__dict__", {})
        pending += [own[name] for name in PARTS if name in own]
    return found


def start_workers(loader: Any) -> None:
    """Start worker processes that live as long as their loader, as its first epoch did.

    Their seeds are sampled from the global generator once, when they start: do it before a state is put
    back, so that no later sample is another one.
    """
    if getattr(loader, "persistent_workers", False):
        iter(loader)
