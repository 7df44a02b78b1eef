"""Parameter groups for fine-tuning: the closer a layer is to the input, the less it needs to move."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from practicezoo.batches import check_model, unwrap

__all__ = ["parameter_groups"]

NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001  # the common base of batch and instance norms
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def parameter_groups(model: nn.Module, *, lr: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, with a learning rate that decays from the last layer to the first.

    A layer is a child of the model, where an ``nn.Sequential`` or ``nn.ModuleList`` stands for its own
    children, in the order in which they were registered; a normalisation belongs to the layer before it. The
    last layer has the learning rate ``lr``, the one before it ``lr * layer_decay``, the next
    ``lr * layer_decay**2``, and so on. What is frozen is left out.

    Args:
        model: the network, wrapped or not.
        lr: the learning rate of the last layer.
        layer_decay: what a layer's learning rate is multiplied by on the way to the one before it; 1 for the
            same everywhere. Usual: 0.5 to 0.9.

    Returns:
        A group ("name", "params" and "lr") for each layer with something to train, the first layer's first.
        A scheduler that wants the highest learning rates takes ``[group["lr"] for group in groups]``.

    Raises:
        ValueError: if ``lr`` is not positive, ``layer_decay`` not in (0, 1], or nothing is to be trained.
        TypeError: if ``model`` is no module.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        >>> groups = parameter_groups(model, lr=0.1, layer_decay=0.5)
        >>> [(group["name"], len(group["params"]), group["lr"]) for group in groups]
        [('0', 4, 0.05), ('3', 2, 0.1)]
        >>> optimizer = torch.optim.SGD(groups, momentum=0.9)

    Source: layer-wise learning rates after Howard and Ruder (arXiv:1801.06146).
    """
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive, got {lr}")
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay must lie in (0, 1], got {layer_decay}")
    layers: dict[str, list[nn.Parameter]] = {}
    seen: set[nn.Parameter] = set()
    for name, parameters in _layers(unwrap(check_model(model))):
        new = [each for each in parameters if each.requires_grad and each not in seen]
        seen.update(new)
        if new:
            layers.setdefault(name, []).extend(new)
    if not layers:
        raise ValueError("model must have parameters to train, got none: unfreeze(...) a part of it")
    depth = len(layers) - 1
    return [
        {"name": name, "params": parameters, "lr": lr * layer_decay ** (depth - place)}
        for place, (name, parameters) in enumerate(layers.items())
    ]


def _layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, list[nn.Parameter]]]:
    """Names and parameters in order; a module's own come before its children's, a norm's under their name."""
    name = prefix.removesuffix(".")
    if own := list(module.parameters(recurse=False)):
        yield name, own
    for child_name, child in module.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _layers(child, f"{prefix}{child_name}.")
            continue
        if not isinstance(child, NORMS):
            name = f"{prefix}{child_name}"
        yield name, list(child.parameters())
