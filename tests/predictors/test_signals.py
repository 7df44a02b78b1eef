"""Signals as the networks over steps take them."""

import numpy as np
import pytest
import torch

from practicezoo import create_model, load, save
from practicezoo.predictors import Predictor, SignalInput
from practicezoo.predictors.preprocessing import KINDS, preprocessing_from

THREE = SignalInput(3)
SIGNAL = torch.tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "sample",
    [[1, 2, 3], (1, 2, 3), "1,2,3", SIGNAL, SIGNAL.numpy(), SIGNAL[:, None], SIGNAL[:, None].numpy()],
)
def test_one_signal(sample):
    assert THREE.is_one(sample)
    assert torch.equal(THREE(sample), SIGNAL.view(1, 3, 1))
    assert torch.equal(THREE([sample, sample]), SIGNAL.view(1, 3, 1).expand(2, 3, 1))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
@pytest.mark.parametrize("convert", [torch.as_tensor, np.asarray])
def test_an_array_of_signals_is_a_batch(shape, convert):
    batch = convert(np.arange(6, dtype=np.float32).reshape(shape))
    assert not THREE.is_one(batch)
    assert torch.equal(THREE(batch), torch.arange(6.0).view(2, 3, 1))


def test_a_long_signal_is_called_by_its_first_numbers():
    five = SignalInput(5)
    assert five.prepare([[1, 2.5, 1 / 3, 4, 5]]).names == ["1,2.5,0.333,... (5 numbers)"]
    assert THREE.prepare(["1,2,3"]).names == ["1,2,3"]


def test_it_is_read_back_as_it_was_written():
    assert preprocessing_from(THREE.as_dict()) == THREE
    assert KINDS["signal"] is SignalInput


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ([1, 2], r"a row must be 3 numbers with commas between them, got 2 in \[1, 2\]"),
        ("1,2,x", "a value of a row must be a number, got 'x'"),
        (torch.zeros(2, 4, 1), r"samples must be rows \(N, 3\), got shape \(2, 4, 1\)"),
        (["1,2,3", [1.0]], r"samples\[1\]: a row must be 3 numbers"),
    ],
)
def test_signals_of_another_length_are_refused(sample, message):
    with pytest.raises(ValueError, match=message):
        THREE(sample)


@pytest.mark.parametrize("name", ["mnist1d_tcn", "mnist1d_cnn", "mnist1d_gru", "mnist1d_mlp"])
def test_a_saved_predictor_answers_as_before(name, tmp_path):
    predictor = Predictor(
        create_model(name), preprocess=SignalInput(40), classes=[str(digit) for digit in range(10)]
    )
    save(predictor, tmp_path / name)
    signals = torch.randn(3, 40, 1, generator=torch.Generator().manual_seed(0))
    answers = [prediction.ranking for prediction in load(tmp_path / name)(signals)]
    assert answers == [prediction.ranking for prediction in predictor(signals)]
