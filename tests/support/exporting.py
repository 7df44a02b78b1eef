"""Batches that exported models are compared on, and ONNX files as functions."""

import importlib.util

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from practicezoo import CharGRUClassifier, CharTagger, PaddedSequence
from practicezoo.models import StepwiseTagger

WITHOUT_ONNX = importlib.util.find_spec("onnxruntime") is None


def needs_onnx(test):
    skip = pytest.mark.skipif(WITHOUT_ONNX, reason='the extra is missing: pip install "practicezoo[onnx]"')
    return pytest.mark.onnx(skip(test))


def run_onnx(path):
    """The file as a function of tensors; its outputs are a list."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # what fails on purpose is not logged too
    session = onnxruntime.InferenceSession(path)
    names = [argument.name for argument in session.get_inputs()]

    def run(*inputs):
        arrays = [each.numpy() for each in inputs]
        return [torch.from_numpy(each) for each in session.run(None, dict(zip(names, arrays, strict=True)))]

    return run


def leaves(outputs):
    if isinstance(outputs, tuple):
        return [leaf for part in outputs for leaf in leaves(part)]
    return [outputs]


def batch(entry, num_samples):
    """What an entry's module takes: for a recurrent one sequences of 1, 2, 3, ... steps and padding."""
    inputs = entry.example(num_samples, torch.float32)
    if not entry.recurrent:
        return inputs
    (data,) = inputs
    data = torch.cat([data, data.flip(0)], dim=1)  # padding is not all zeros
    lengths = torch.arange(num_samples).remainder(data.shape[1]) + 1
    return (PaddedSequence(data, lengths.flip(0)),)


def spread(inputs):
    return [tensor for each in inputs for tensor in (each if isinstance(each, PaddedSequence) else (each,))]


def check_agrees(module, run, batches):
    """The exported module ``run`` gives what the module itself does: of sequences, by the packed path."""
    for inputs in batches:
        with torch.no_grad():
            expected = leaves(module(*inputs))
        assert_close(run(*spread(inputs)), expected, rtol=0, atol=1e-5)


SHAPES = [(1, 1), (1, 9), (9, 1), (2, 60), *((3 + n % 7, 2 + n % 23) for n in range(46))]


def texts(num_chars):
    """50 batches of random texts: one, one step, longer than at export, all lengths 1."""
    generator = torch.Generator().manual_seed(0)
    for place, (num_texts, num_steps) in enumerate(SHAPES):
        ids = torch.randint(num_chars, (num_texts, num_steps), generator=generator)
        lengths = torch.randint(1, num_steps + 1, (num_texts,), generator=generator)
        yield (PaddedSequence(ids, torch.ones_like(lengths) if place % 10 == 9 else lengths),)


RECURRENT = [
    *(
        CharGRUClassifier(20, 6, hidden_size=5, cell=cell, num_layers=layers, bidirectional=bidirectional)
        for cell in ("rnn", "gru", "lstm")
        for layers in (1, 3)
        for bidirectional in (False, True)
    ),
    *(
        CharTagger(20, 6, cell=cell, num_layers=2, bidirectional=True, embedding_dim=dim)
        for cell, dim in (("rnn", 4), ("gru", None), ("lstm", 4))
    ),
    *(StepwiseTagger(20, 6, cell=cell, head=nn.Linear) for cell in ("rnn", "gru", "lstm")),
]


QUICK = (RECURRENT[7], RECURRENT[14], RECURRENT[15])  # every cell and kind of model, one layer and three


def described(model):
    layer = model.rnn if isinstance(model, StepwiseTagger) else model.encoder.rnn
    layers = getattr(layer, "num_layers", 1)
    directions = 1 + getattr(layer, "bidirectional", False)
    return f"{type(model).__name__}-{type(layer).__name__}-{layers}-{directions}"
