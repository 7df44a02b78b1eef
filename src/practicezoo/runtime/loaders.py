"""What a loader is made of."""

from typing import Any

__all__ = ["loader_parts"]


def loader_parts(loader: Any) -> list[Any]:
    """The loader itself and the samplers that give its order, each once."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = [
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    ]
    return list({id(part): part for part in parts if part is not None}.values())
