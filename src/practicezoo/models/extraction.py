"""What the parts of a model compute on the way to its output."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from practicezoo.arguments import listed, near_matches
from practicezoo.batches import call_model, check_model, unwrap

__all__ = ["feature_maps"]


def feature_maps(model: nn.Module, inputs: Any, names: Sequence[str]) -> dict[str, Any]:
    """The outputs of a model's parts for ``inputs``, by name.

    The model is called once, in the mode in which it is, with gradients unless they are turned off around the
    call. The outputs are those that the model continues with, so its result can be differentiated with
    respect to them. Nothing of the model changes, not even the running statistics of norms in training mode.

    Args:
        model: any model.
        inputs: what :func:`~practicezoo.fit` passes it: a tensor, a PaddedSequence or PackedSequence, a tuple
            of positional arguments, or a dict of keywords.
        names: names of modules, as ``model.named_modules()`` gives them; "" is the model itself.

    Returns:
        What each module returned, in the order of ``names``: a tensor, or whatever its class returns, such as
        the :class:`~practicezoo.blocks.Encoded` of a recurrent model's "encoder".

    Raises:
        TypeError: if ``model`` is no module, ``names`` is no list of names, or ``inputs`` do not fit.
        ValueError: if a name is no module's (near ones are named), if a module is called twice or never, or
            if a later one changes its output in place.

    Example:
        >>> from practicezoo.models import CNN
        >>> maps = feature_maps(CNN(), torch.randn(2, 1, 28, 28), ["features.0", "features.1"])
        >>> {name: tuple(map.shape) for name, map in maps.items()}
        {'features.0': (2, 10, 12, 12), 'features.1': (2, 20, 4, 4)}
    """
    model = unwrap(check_model(model))
    modules = _find(model, names)
    outputs: dict[str, list[Any]] = defaultdict(list)
    versions: list[tuple[str, Any, int]] = []

    def record(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[name].append(tree_map(_keep, output))
        versions.extend((name, leaf, _version(leaf)) for leaf in tree_leaves(output))

    handles = [module.register_forward_hook(partial(record, name)) for name, module in modules.items()]
    try:
        with _spare_buffers(model):
            call_model(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    for name in modules:
        if len(outputs[name]) != 1:
            times = f"is called {len(outputs[name])} times" if outputs[name] else "is never called"
            raise ValueError(f"names must be modules that are called once, but {name!r} {times}")
    for name, leaf, version in versions:
        if _version(leaf) != version:
            raise ValueError(
                f"names must be modules whose output stays as it is, but that of {name!r} is changed in "
                "place by a later one: name that one, or set its inplace=False"
            )
    return {name: outputs[name][0] for name in modules}


def _find(model: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"names must be a list of names of modules, got {names!r}")
    modules = dict(model.named_modules(remove_duplicate=False))
    names = list(names)
    for name in names:
        if name not in modules:
            near = near_matches(name, modules)
            children = [child for child, _ in model.named_children()]
            hint = f"near: {', '.join(near)}" if near else f"there are: {listed(children) or 'none'}"
            raise ValueError(f"names must be names of {type(model).__name__}'s modules, got {name!r}; {hint}")
    return {name: modules[name] for name in names}


def _version(leaf: Any) -> int:
    """How often a tensor was changed in place, as autograd counts it."""
    return leaf._version if isinstance(leaf, torch.Tensor) and not leaf.is_inference() else 0  # noqa: SLF001


def _keep(leaf: Any) -> Any:
    """The leaf itself, or a copy under ``torch.inference_mode``, where no change in place is counted."""
    return leaf.clone() if isinstance(leaf, torch.Tensor) and leaf.is_inference() else leaf


@contextmanager
def _spare_buffers(model: nn.Module) -> Iterator[None]:
    """Let the model work on copies of its buffers: putting values back in place would disturb backward."""
    buffers = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        for module, name, buffer in buffers:
            setattr(module, name, buffer.clone())
        yield
    finally:
        for module, name, buffer in buffers:
            setattr(module, name, buffer)
