"""Trained tensors into a network, which may have other classes or channels than they were trained for."""

import logging
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

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
        fresh_head: whether the last layer keeps its random start; it has other classes.
        adapt_channels: whether the first convolution may have another number of input channels: a single
            one gets the sum over the trained channels; several get these in turn, scaled by their number
            over the new one.

    Raises:
        ValueError: if a tensor is missing, unknown or of another size.
    """
    own = model.state_dict()
    if any(value.is_meta for value in own.values()):
        raise ValueError(f"device must hold data for trained weights, got a network on meta for {name}")
    state = dict(state)
    _check_names(own.keys(), state.keys(), name)
    if fresh_head:
        head = [*own][-1].rpartition(".")[0]
        state |= {key: value for key, value in own.items() if key.rpartition(".")[0] == head}
        LOGGER.warning("%s: %s has other classes and starts afresh: train it", name, head or "the layer")
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
