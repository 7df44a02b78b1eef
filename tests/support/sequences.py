"""Sequences of vectors, alone and padded with whatever stands behind their ends."""

import torch

from practicezoo import PaddedSequence


def draw_sequences(lengths, *, num_features=3):
    """One random float64 sequence ``(length, num_features)`` for each length."""
    generator = torch.Generator().manual_seed(len(lengths))
    return [torch.randn(length, num_features, dtype=torch.float64, generator=generator) for length in lengths]


def pad_sequences(sequences, *, extra=0, garbage=0.0):
    """A padded batch with ``garbage`` as its padding, ``extra`` steps longer than need be."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    shape = (len(sequences), int(lengths.max()) + extra, sequences[0].shape[1])
    data = torch.full(shape, garbage, dtype=torch.float64)
    for row, sequence in zip(data, sequences, strict=True):
        row[: len(sequence)] = sequence
    return PaddedSequence(data, lengths)


def weigh(values):
    """An uneven sum, whose gradient differs from value to value."""
    return (values * torch.arange(1.0, values.numel() + 1, dtype=values.dtype).sin().view_as(values)).sum()


def gradients_of(module, loss):
    """The gradients of a loss, by the name of the parameter."""
    module.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
