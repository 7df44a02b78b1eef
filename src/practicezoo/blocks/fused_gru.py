"""A GRU over packed sequences that trains faster on the CPU than torch's own, with the same parameters.

One batched product does a step of both directions, and the first step, whose state is zero, needs none. The
backward pass is written out. An embedding's rows are multiplied instead of the steps, where they are fewer.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from practicezoo.blocks.checks import has_hooks

__all__ = ["can_fuse", "is_table", "run_fused"]

_arange = partial(torch.arange, device="cpu")  # whatever the default device is


def can_fuse(rnn: nn.Module, inputs: PackedSequence) -> bool:
    """Whether :func:`run_fused` can stand in for ``rnn``: a GRU that trains on the CPU, without hooks."""
    return (
        not (torch.compiler.is_compiling() or torch.jit.is_tracing())  # type: ignore[attr-defined]
        and torch.is_grad_enabled()  # without, torch's own is as fast
        and (type(rnn) is nn.GRU and rnn.bias)  # no subclass either: parametrizations make one
        and inputs.data.device.type == rnn.all_weights[0][0].device.type == "cpu"
        and rnn.all_weights[0][0].dtype in {torch.float32, torch.float64}
        and not has_hooks(rnn)
    )


def is_table(embedding: nn.Module, ids: Tensor) -> bool:
    """Whether the rows are fewer than the ids and which of them are looked up makes no difference."""
    valid = ids.ndim == 1 and ids.dtype in {torch.int64, torch.int32}  # the embedding refuses others
    if type(embedding) is not nn.Embedding or has_hooks(embedding) or not valid:
        return False
    differs = embedding.max_norm is not None or embedding.scale_grad_by_freq or embedding.sparse
    return not differs and len(embedding.weight) < len(ids)


def run_fused(
    rnn: nn.GRU, inputs: PackedSequence, embedding: nn.Embedding | None = None
) -> tuple[PackedSequence, Tensor]:
    """What ``rnn``, of D directions, computes of packed features or, with ``embedding``, of packed ids.

    The same up to rounding, where :func:`can_fuse` and :func:`is_table` hold; second derivatives are refused.

    Shape:
        - inputs: ``(steps, input_size)``, or ids ``(steps,)``
        - outputs: ``(steps, D * hidden_size)``
        - state: the top layer's, ``(D, N, hidden_size)``
    """
    num_directions, sizes = 1 + rnn.bidirectional, inputs.batch_sizes.tolist()
    reverse, last = _positions(inputs.batch_sizes)
    own = torch.stack([_arange(len(reverse)), reverse][:num_directions], dim=1)  # (steps, D)
    features, rows = inputs.data, own
    if embedding is not None:
        features, rows = embedding(_arange(len(embedding.weight))), inputs.data[own]
    for layer in range(rnn.num_layers):
        if layer > 0:
            features, rows = F.dropout(features, rnn.dropout, rnn.training), own
        directions = rnn.all_weights[layer * num_directions : (layer + 1) * num_directions]
        weights = [torch.stack(parts) for parts in zip(*directions, strict=True)]
        hidden = _run_layer(features, rows, weights, sizes)
        backward = [hidden[:, 1].index_select(0, reverse)] if rnn.bidirectional else []
        features = torch.cat([hidden[:, 0], *backward], dim=1)
    state = hidden.index_select(0, last if inputs.unsorted_indices is None else last[inputs.unsorted_indices])
    return inputs._replace(data=features), state.transpose(0, 1)


def _positions(batch_sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Each packed row's counterpart in the reversed sequence, ``(steps,)``, and the last rows, ``(N,)``."""
    starts = batch_sizes.cumsum(0) - batch_sizes
    step = _arange(len(batch_sizes)).repeat_interleave(batch_sizes)
    sequence = _arange(len(step)) - starts[step]
    lengths = sequence.bincount()
    return starts[lengths[sequence] - 1 - step] + sequence, starts[lengths - 1] + _arange(len(lengths))


def _run_layer(features: Tensor, rows: Tensor, weights: list[Tensor], sizes: list[int]) -> Tensor:
    """Hidden states ``(steps, D, hidden_size)``, in the order in which each direction reads its ``rows``."""
    (w_ih, w_hh, b_ih, b_hh), size = weights, weights[1].shape[2]
    bias = b_ih + F.pad(b_hh[:, : 2 * size], (0, size))  # the new gate's is multiplied by the reset gate
    products = F.linear(features, w_ih.flatten(0, 1), bias.flatten()).view(-1, 3 * size)
    rows = rows * len(w_hh) + _arange(len(w_hh))
    products = products.index_select(0, rows.flatten()).view(*rows.shape, -1)
    return _Steps.apply(products.to(w_hh.dtype), w_hh, b_hh[:, 2 * size :], sizes)  # autocast: products only


class _Steps(torch.autograd.Function):
    """The steps of a layer, given the products of its inputs ``(steps, D, 3 * hidden_size)``.

    ``gates`` holds, side by side: the hidden term of the new gate, the reset gate, the update gate, the input
    term of the new gate. The hidden state's products then fill the first three, the inputs' the last three.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, w_hh: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
        weight, size = w_hh.roll(w_hh.shape[2], 1), w_hh.shape[2]  # reset, update, new: the new gate first
        gates = torch.cat([bias.expand(len(products), -1, -1), products], dim=2)
        sums = gates[..., : 3 * size].transpose(0, 1).split(sizes, 1)  # (D, n, 3 * hidden_size) each
        parts = gates.unflatten(2, (4, size)).split(sizes)
        hidden, update = products.new_empty(2, *products.shape[:2], size)
        h = products.new_zeros(sizes[0], len(w_hh), size)
        for step, (state, z) in enumerate(zip(hidden.split(sizes), update.split(sizes), strict=True)):
            h = h[: len(state)]  # the longest sequences come first
            if step > 0:
                sums[step].baddbmm_(h.transpose(0, 1), weight.mT)
            new_hidden, reset, update_gate, new_input = parts[step].unbind(2)
            torch.sigmoid(update_gate, out=z)
            r = reset.sigmoid()
            n = torch.addcmul(new_input, r, new_hidden).tanh_()
            h = torch.lerp(n, h, z, out=state)
            # The new state's derivatives by the four take their places.
            rest = 1 - z
            torch.mul(h - n, rest, out=update_gate)
            torch.addcmul(rest, rest, n * n, value=-1, out=new_input)
            torch.mul(new_input * new_hidden, r * (1 - r), out=reset)
            torch.mul(new_input, r, out=new_hidden)
        ctx.save_for_backward(gates, hidden, update, weight)
        ctx.sizes = sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gates, hidden, update, weight = ctx.saved_tensors
        sizes, size = ctx.sizes, hidden.shape[2]
        by_gates = torch.empty_like(gates)
        by_sums = by_gates[..., : 3 * size].transpose(0, 1)  # (D, steps, 3 * hidden_size)
        factors, parts = (each.unflatten(2, (4, size)).split(sizes) for each in (gates, by_gates))
        sums, updates = by_sums.split(sizes, 1), update.split(sizes)
        by_hidden = grad.clone(memory_format=torch.contiguous_format).split(sizes)
        for step in reversed(range(len(sizes))):
            torch.mul(factors[step], by_hidden[step].unsqueeze(2), out=parts[step])
            if step > 0:
                by_state = by_hidden[step - 1][: sizes[step]]
                by_state.addcmul_(by_hidden[step], updates[step])
                by_state.transpose(0, 1).baddbmm_(sums[step], weight)
        states = [h[:n] for h, n in zip(hidden.split(sizes), sizes[1:], strict=False)]
        by_weight = by_sums[:, sizes[0] :].mT.bmm(torch.cat([hidden[:0], *states]).transpose(0, 1))
        by_products = by_gates[..., size:].contiguous()  # or index_select's backward takes five times as long
        return by_products, by_weight.roll(-size, 1), by_gates[..., :size].sum(0), None
