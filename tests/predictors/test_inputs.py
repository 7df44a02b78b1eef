"""Texts, words, rows and tensors as a network takes them."""

import numpy as np
import pytest
import torch

from practicezoo.data import CharVocab
from practicezoo.predictors import LetterInput, RowInput, TensorInput, TextInput
from practicezoo.predictors.preprocessing import KINDS, preprocessing_from

ASCII = TextInput(CharVocab().characters)


def test_a_vocabulary_is_no_string_of_characters():
    with pytest.raises(
        TypeError, match=r"characters must be a string, such as vocab.characters, got CharVoc"
    ):
        TextInput(CharVocab())


def test_texts_are_stripped_and_padded():
    ids, lengths = ASCII([" Ng ", "Abe"])
    assert ids.tolist() == [[78, 103, 0], [65, 98, 101]]
    assert lengths.tolist() == [2, 3]


@pytest.mark.parametrize("row", [[1, 2.0], (1, 2), "1,2", " 1 , 2", np.array([1, 2]), torch.tensor([1, 2.0])])
def test_a_row_is_a_sequence_of_numbers(row):
    two = RowInput(2)
    assert two.is_one(row)
    assert two(row).tolist() == two([row])[0:1].tolist() == [[1, 2]]


def test_an_array_of_rows_is_a_batch():
    rows = torch.arange(6.0).view(3, 2)
    assert not RowInput(2).is_one(rows)
    assert torch.equal(RowInput(2)(rows), rows)
    assert torch.equal(RowInput(2)(rows.tolist()), rows)


def test_a_row_of_one_is_a_number_too():
    assert RowInput(1)(4).tolist() == RowInput(1)("4").tolist() == RowInput(1)([4]).tolist() == [[4]]


@pytest.mark.parametrize("kind", [ASCII, LetterInput("ehlo"), RowInput(3), TensorInput()])
def test_every_kind_is_read_back_as_it_was_written(kind):
    assert preprocessing_from(kind.as_dict()) == kind
    assert KINDS[kind.kind] is type(kind)


@pytest.mark.parametrize(
    ("preprocess", "sample", "message"),
    [
        (ASCII, "", "name must not be empty, got ''"),
        (ASCII, ["Abe", " "], r"samples\[1\]: name must not be empty"),
        (LetterInput("ehlo"), "", "word must not be empty, got ''"),
        (LetterInput("ehlo"), "help", "letters e, h, l, o, got 'p' at position 3 of 'help'"),
        (RowInput(2), [1, 2, 3], r"a row must be 2 numbers with commas between them, got 3 in \[1, 2, 3\]"),
        (RowInput(2), " ", "a row must be 2 numbers with commas between them, got 0 in ' '"),
        (RowInput(2), "1,x", "a value of a row must be a number, got 'x'"),
        (RowInput(2), [1, float("nan")], "a value of a row must be a number, got nan"),
        (RowInput(1), [1, 2], r"a row must be a number, got \[1, 2\]"),
        (RowInput(2), torch.zeros(2, 2, 2), r"samples must be rows \(N, 2\), got shape \(2, 2, 2\)"),
    ],
)
def test_samples_that_are_wrong(preprocess, sample, message):
    with pytest.raises(ValueError, match=message):
        preprocess(sample)


@pytest.mark.parametrize(
    ("preprocess", "sample", "message"),
    [
        (ASCII, 7, "sample must be a text, or a list of them, got int"),
        (ASCII, b"Abe", "sample must be a text, or a list of them, got bytes"),
        (ASCII, [7], "sample must be a text, got int"),
        (LetterInput("ehlo"), [None], "sample must be a text, got NoneType"),
        (RowInput(2), {"a": 1}, "sample must be a row of numbers, or a list of them, got dict"),
        (RowInput(2), [{"a": 1}], "sample must be a row of numbers, got dict"),
        (TensorInput(), "Abe", "sample must be a tensor, or a list of them, got str"),
        (TensorInput(), ["Abe"], "sample must be a tensor or an array where no other preprocessing is given"),
    ],
)
def test_samples_of_the_wrong_kind(preprocess, sample, message):
    with pytest.raises(TypeError, match=message):
        preprocess(sample)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "sound"}, "of a kind among image, letters, row, signal, tensor, text, got 'sound'"),
        ({}, "got None"),
        ({"kind": "row"}, "preprocessing of kind 'row' has wrong arguments"),
    ],
)
def test_a_description_of_no_preprocessing(config, message):
    with pytest.raises(ValueError, match=message):
        preprocessing_from(config)
