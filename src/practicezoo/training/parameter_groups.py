"""Learning rates that fall towards the input, for fine-tuning."""

from collections.abc import Iterator
from typing import Any

from torch import nn

__all__ = ["parameter_groups"]


def parameter_groups(model: nn.Module, *, lr: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Group a model's parameters by layer for an optimizer: the last layer learns fastest.

    Early layers of a trained network hold what many tasks share, so they are changed less. A layer is a child
    of the model, where a ``Sequential`` or ``ModuleList`` stands for its own children; it is ``layer_decay``
    times as fast as the one after it. Frozen parameters are left out, and so are layers without any.

    Args:
        model: the network; its layers in the order in which they were registered.
        lr: the learning rate of the last layer.
        layer_decay: the factor from a layer to the one before it, above 0 and at most 1.

    Returns:
        Groups for the optimizer's first argument, from the input to the output: "params", "lr", and the
        layer's "name".

    Raises:
        ValueError: if ``lr`` or ``layer_decay`` is out of range, or no parameter is trained.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> [(group["name"], group["lr"]) for group in parameter_groups(model, lr=0.1, layer_decay=0.5)]
        [('0', 0.025), ('2', 0.05), ('4', 0.1)]

    Source: Howard and Ruder, Universal language model fine-tuning for text classification (arXiv:1801.06146).
    """
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive, got {lr}")
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay must lie in (0, 1], got {layer_decay}")
    groups: list[dict[str, Any]] = []
    seen: set[nn.Parameter] = set()
    for name, parameters in _layers(model, ""):
        own = [p for p in dict.fromkeys(parameters) if p.requires_grad and p not in seen]
        seen.update(own)
        if own:
            groups.append({"params": own, "name": name})
    if not groups:
        raise ValueError(f"model must have a parameter that is trained, got {type(model).__name__} with none")
    for steps, group in enumerate(reversed(groups)):
        group["lr"] = lr * layer_decay**steps
    return groups


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, list[nn.Parameter]]]:
    """The name and the parameters of each layer; a module's own, beside its children's, come first."""
    own = [*module.parameters(recurse=False)]
    if own:
        yield prefix.removesuffix("."), own
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", [*child.parameters()]
