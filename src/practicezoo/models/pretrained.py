"""Trained tensors into a network, which may have other classes or channels than they were trained for."""

import logging
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from practicezoo.models.classifier import Classifier

__all__ = ["load_weights"]

LOGGER = logging.getLogger("practicezoo")


def load_weights(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    name: str,
    fresh_head: bool = False,
    adapt_channels: bool = False,
) -> None:
    """Copy trained tensors into a network: all of them, or an error that names the one that does not fit.

    Args:
        model: the network, as it was built.
        state: the trained tensors by name.
        name: what messages call the weights.
        fresh_head: whether the last layer, and that of each auxiliary head, keeps its random start; it has
            other classes.
        adapt_channels: whether the first convolution may have another number of input channels: a single
            one gets the sum over the trained channels; several get these in turn, scaled by their number
            over the new one.

    Raises:
        ValueError: if a tensor is missing, unknown or of another size.
    """
    own = model.state_dict()
    if any(value.is_meta for value in own.values()):
        raise ValueError(f"device must hold data for trained weights, got a network on meta for {name}")
    spare = getattr(model, "spare_tensors", ())
    state = {key: value for key, value in state.items() if key in own or not key.startswith(spare)}
    _check_names(own.keys(), state.keys(), name)
    if fresh_head:
        heads = _find_heads(model)
        state |= {key: value for key, value in own.items() if key.rpartition(".")[0] in heads}
        shown = ", ".join(heads) or "the layer"
        LOGGER.warning("%s: %s has other classes and starts afresh: train it", name, shown)
    first = next((key for key, value in own.items() if value.ndim == 4), None)
    if adapt_channels and first is not None and own[first].shape[1] != state[first].shape[1]:
        trained, channels = state[first].shape[1], own[first].shape[1]
        state[first] = _adapt(state[first], channels)
        LOGGER.warning("%s: %s is adapted from %d to %d input channels", name, first, trained, channels)
    for key, value in own.items():
        if value.shape != state[key].shape:
            raise ValueError(
                f"{name} must fit the network, but {key} has the shape {tuple(state[key].shape)} there and "
                f"{tuple(value.shape)} here"
            )
    model.load_state_dict(state)


def _find_heads(model: nn.Module) -> list[str]:
    """The names of the layers that make logits: classifiers' heads, or else the last layer."""
    classifiers = [name for name, part in model.named_modules() if isinstance(part, Classifier)]
    return [f"{name}.head".lstrip(".") for name in classifiers] or [
        [*model.state_dict()][-1].rpartition(".")[0]
    ]


def _adapt(weight: Tensor, channels: int) -> Tensor:
    """A convolution's weights for another number of input channels, by the rule of timm."""
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    trained = weight.shape[1]
    in_turn = torch.arange(channels, device=weight.device) % trained
    return weight[:, in_turn] * (trained / channels)


def _check_names(own: Collection[str], theirs: Collection[str], name: str) -> None:
    """Raise ValueError for the first tensor that only one of the two has."""
    for key in own:
        if key not in theirs:
            raise ValueError(f"{name} must fit the network, but has no tensor {key}")
    for key in theirs:
        if key not in own:
            raise ValueError(f"{name} must fit the network, but the network has no tensor {key}")
